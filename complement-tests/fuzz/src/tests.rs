//! Every target over its seeds and mutations of them: fewer than `make fuzz` tries, and without
//! looking for new code, but in every run of the tests.

use std::{collections::BTreeSet, panic::catch_unwind};

use heliograph_tables::schema;

use crate::{TARGETS, Target, tables};

/// Mutations of each target.
const MUTATIONS: u32 = 3000;

/// Numbers that are the same in every run: xorshift64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`, which is not zero.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end
    }

    fn byte(&mut self) -> u8 {
        // Bytes at the edges of their range and in the grammars come more often than others.
        const OFTEN: &[u8] = b"\x00\x01\x02\x7f\x80\xff\"\\{}[]:,*.-0e@!$ \n";
        match self.below(3) {
            0 => u8::try_from(self.below(256)).unwrap(),
            _ => OFTEN[self.below(OFTEN.len())],
        }
    }

    /// One to four small changes.
    fn mutate(&mut self, data: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(data.len() + 1);
            let byte = self.byte();
            match self.below(6) {
                0 => data.insert(at, byte),
                1 => data.truncate(at),
                2 => {
                    let len = (data.len() - at).min(1 + self.below(8));
                    data.drain(at..at + len);
                }
                3 => {
                    let from = self.below(other.len() + 1);
                    let len = (other.len() - from).min(self.below(40));
                    data.splice(at..at, other[from..from + len].iter().copied());
                }
                4 if at < data.len() => data[at] ^= 1 << self.below(8),
                _ if at < data.len() => data[at] = byte,
                _ => {}
            }
        }
    }
}

/// Runs a target over its seeds and mutations, and shows the bytes that it fails at.
fn run(target: &Target) {
    let check = |data: &[u8]| {
        let end = catch_unwind(|| (target.run)(data));
        assert!(
            end.is_ok(),
            "{} fails at b\"{}\"",
            target.name,
            data.escape_ascii()
        );
    };
    let seeds = (target.seeds)();
    check(&[]);
    for seed in &seeds {
        check(seed);
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..MUTATIONS {
        let mut data = seeds[numbers.below(seeds.len())].clone();
        let other = &seeds[numbers.below(seeds.len())];
        numbers.mutate(&mut data, other);
        check(&data);
    }
}

/// The target with a name.
fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

#[test]
fn events_hold_under_mutation() {
    run(target("events"));
}

#[test]
fn filters_hold_under_mutation() {
    run(target("filters"));
}

#[test]
fn json_holds_under_mutation() {
    run(target("json"));
}

#[test]
fn nodes_hold_under_mutation() {
    run(target("nodes"));
}

#[test]
fn push_rules_hold_under_mutation() {
    run(target("push_rules"));
}

#[test]
fn states_hold_under_mutation() {
    run(target("states"));
}

#[test]
fn sync_tokens_hold_under_mutation() {
    run(target("sync_tokens"));
}

#[test]
fn tables_hold_under_mutation() {
    run(target("tables"));
}

#[test]
fn no_table_is_forgotten() {
    let all = schema::ALL.iter().copied().flatten();
    let schema: BTreeSet<_> = all.map(|table| table.prefix()).collect();
    let ours: BTreeSet<_> = tables::ALL.iter().map(|table| table.prefix).collect();
    assert_eq!(ours, schema, "`tables::ALL` lists what the schema does");
    assert_eq!(tables::ALL.len(), ours.len());
}

/// Mutations of rows that do not decode say little about decoders.
#[test]
fn each_table_has_a_seed_that_decodes() {
    let seeds = tables::seeds();
    for (at, table) in tables::ALL.iter().enumerate() {
        let whole = seeds.iter().any(|seed| {
            usize::from(seed[0]) == at && tables::row(seed).is_some_and(|d| d.key && d.value)
        });
        assert!(whole, "the table with prefix {:#06x}", table.prefix);
    }
}

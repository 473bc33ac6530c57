//! The walk over everything, here and at Synapse: status, errcode and keys are equal, or the
//! difference stands in `differences.tsv` with what decides it.

use std::collections::{BTreeMap, BTreeSet};

use heliograph_complement::{
    Options, TestServer,
    spec::shape,
    synapse::Synapse,
    walk::{Record, walk},
};

/// Route, case, difference, section of the specification (or `unspecified`), why. `*` in the first
/// three stands for anything.
const KNOWN: &str = include_str!("differences.tsv");

/// A line of the list of differences.
struct Known {
    route: &'static str,
    case: &'static str,
    difference: &'static str,
}

impl Known {
    fn all() -> Vec<Self> {
        let lines = KNOWN.lines().skip(1);
        let all = lines.map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [route, case, difference, section, why] = columns[..] else {
                panic!("five columns: {line}");
            };
            assert!(!section.is_empty() && !why.is_empty(), "a reason: {line}");
            Self {
                route,
                case,
                difference,
            }
        });
        all.collect()
    }

    fn covers(&self, route: &str, case: &str, difference: &str) -> bool {
        let pairs = [
            (self.route, route),
            (self.case, case),
            (self.difference, difference),
        ];
        pairs.iter().all(|(pattern, text)| matches(pattern, text))
    }
}

/// Whether a text is as a pattern has it, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(start) else {
        return false;
    };
    loop {
        if matches(rest, left) {
            return true;
        }
        let mut letters = left.chars();
        if letters.next().is_none() {
            return false;
        }
        left = letters.as_str();
    }
}

/// How two answers differ.
fn differences(ours: &Record, theirs: &Record) -> Vec<String> {
    let told = |record: &Record| {
        let errcode = record.answer.body["errcode"].as_str().unwrap_or_default();
        format!("{} {errcode}", record.answer.status)
            .trim()
            .to_owned()
    };
    let (here, there) = (told(ours), told(theirs));
    if here != there {
        return vec![format!("{here}, Synapse {there}")];
    }
    let shapes = [&ours.answer, &theirs.answer].map(|answer| shape(&answer.body));
    let [here, there]: [BTreeSet<String>; 2] = shapes;
    let more = here
        .difference(&there)
        .map(|path| format!("only here {path}"));
    let less = there
        .difference(&here)
        .map(|path| format!("only Synapse {path}"));
    more.chain(less).collect()
}

#[tokio::test]
async fn the_same_is_answered_or_the_difference_is_known() {
    let options = Options::new()
        .set("support", "page", "\"https://example.org/support\"")
        .set("sessions", "login_tokens", "true")
        .set("registration", "guests", "true");
    let server = TestServer::start(options).await;
    let synapse = Synapse::start().await;
    let ours = walk(server.client()).await;
    let theirs = walk(synapse.client()).await;
    let theirs: BTreeMap<_, _> = theirs
        .iter()
        .map(|record| ((&*record.route, record.case), record))
        .collect();
    let known = Known::all();
    let mut met = BTreeSet::new();
    let mut unknown = Vec::new();
    for record in &ours {
        let other = theirs[&(&*record.route, record.case)];
        for difference in differences(record, other) {
            let at = known
                .iter()
                .position(|known| known.covers(&record.route, record.case, &difference));
            match at {
                Some(at) => {
                    met.insert(at);
                }
                None => unknown.push(format!("{}\t{}\t{difference}", record.route, record.case)),
            }
        }
    }
    let gone = (0..known.len()).filter(|at| !met.contains(at));
    let gone: Vec<_> = gone
        .map(|at| (known[at].route, known[at].case, known[at].difference))
        .collect();
    assert!(
        unknown.is_empty(),
        "differences that nobody knows:\n{}",
        unknown.join("\n")
    );
    assert!(
        gone.is_empty(),
        "differences that are none any more: {gone:#?}"
    );
}

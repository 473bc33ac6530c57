//! The lines of `strace -f -y`, as calls that begin and end.

use std::{collections::BTreeMap, path::PathBuf};

use super::text::strings;

/// Whether a call begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The call begins; of its arguments, those that came in are known.
    Begin,
    /// The call ended, with what it returned.
    End(i64),
}

/// A call of the system.
#[derive(Clone, Debug)]
pub struct Call {
    /// The thread that called.
    pub thread: u32,
    /// Its name.
    pub name: String,
    /// Its arguments as printed.
    pub args: String,
}

impl Call {
    /// The path of the file descriptor that is the `n`th argument.
    pub fn file(&self, n: usize) -> Option<PathBuf> {
        let mut arguments = self.args.split(", ");
        path_of(arguments.nth(n)?)
    }

    /// The paths in quotes.
    pub fn paths(&self) -> Vec<PathBuf> {
        strings(&self.args).into_iter().map(PathBuf::from).collect()
    }

    /// The number that is the `n`th argument from the end.
    pub fn number_from_end(&self, n: usize) -> Option<u64> {
        self.args.rsplit(", ").nth(n)?.trim().parse().ok()
    }
}

/// The path in `7</some/path>`.
fn path_of(argument: &str) -> Option<PathBuf> {
    let (number, path) = argument.trim().split_once('<')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| PathBuf::from(path.split('>').next().unwrap_or(path)))
}

/// A call at its begin or its end.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which.
    pub moment: Moment,
    /// The call; at its begin, the arguments may be incomplete.
    pub call: Call,
}

/// All steps of a record, in its order.
pub fn steps(record: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut begun: BTreeMap<u32, Call> = BTreeMap::new();
    for line in record.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Ok(thread) = thread.parse() else { continue };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((_, rest)) = resumed.split_once(" resumed>") else {
                continue;
            };
            let Some(mut call) = begun.remove(&thread) else {
                continue;
            };
            call.args.push_str(rest);
            steps.extend(ended(call));
            continue;
        }
        let Some((name, args)) = rest.split_once('(') else {
            continue;
        };
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            continue;
        }
        let unfinished = args.strip_suffix(" <unfinished ...>");
        let args = unfinished.unwrap_or(args).to_owned();
        let call = Call {
            thread,
            name: name.to_owned(),
            args,
        };
        steps.push(Step {
            moment: Moment::Begin,
            call: call.clone(),
        });
        if unfinished.is_some() {
            begun.insert(thread, call);
        } else {
            steps.extend(ended(call));
        }
    }
    steps
}

/// Splits what a call returned off its arguments; nothing if it never returned.
fn ended(mut call: Call) -> Option<Step> {
    let at = call.args.rfind(") = ").or_else(|| call.args.rfind(" = "))?;
    let result = call.args[at..].trim_start_matches([')', ' ', '=']);
    let end = result.find(|c: char| !c.is_ascii_digit() && c != '-');
    let result = result[..end.unwrap_or(result.len())].parse().ok()?;
    let args = call.args[..at].trim_end().trim_end_matches(')').len();
    call.args.truncate(args);
    Some(Step {
        moment: Moment::End(result),
        call,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_several_threads_are_put_together() {
        let record = "\
            7 write(5</d/1.log>, \"ab) = 3\", 8) = 8\n\
            8 fdatasync(5</d/1.log> <unfinished ...>\n\
            7 rename(\"/d/a\", \"/d/b\")              = 0\n\
            8 <... fdatasync resumed>)          = 0\n\
            7 openat(AT_FDCWD</>, \"/d/x\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
            7 unlink(\"/d/x\") = 0 (INJECTED)\n\
            8 +++ killed by SIGKILL +++\n";
        let found: Vec<_> = steps(record)
            .into_iter()
            .map(|step| (step.call.thread, step.call.name.clone(), step.moment))
            .collect();
        let names: Vec<_> = found
            .iter()
            .map(|(thread, name, _)| (*thread, &**name))
            .collect();
        assert_eq!(
            names[2..5],
            [(8, "fdatasync"), (7, "rename"), (7, "rename")]
        );
        assert_eq!(found[1].2, Moment::End(8));
        assert_eq!(found[5], (8, "fdatasync".to_owned(), Moment::End(0)));
        assert_eq!(found[7].2, Moment::End(-1));
        assert_eq!(found[9].2, Moment::End(0));
        // At the begin of a call that is one line, its result is not cut off.
        let begun = &steps("8 fsync(5</d>) = 0\n")[0].call;
        assert_eq!(begun.file(0), Some(PathBuf::from("/d")));
        let write = &steps(record)[1].call;
        assert_eq!(write.file(0), Some(PathBuf::from("/d/1.log")));
    }
}

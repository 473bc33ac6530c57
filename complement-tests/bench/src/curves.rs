//! What the benchmarks of the crates printed: a curve for each.

use crate::Result;

/// A benchmark and what it took for each size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// The benchmark's name, such as `look_up`.
    pub(crate) name: String,
    /// Sizes, as they were printed, and the median in nanoseconds.
    pub(crate) points: Vec<(String, f64)>,
}

/// Reads divan's output: a tree of benchmarks, and under each a line for a size, with five columns
/// (fastest, slowest, median, mean, samples) of which the third is taken.
pub(crate) fn of_divan(text: &str) -> Result<Vec<Curve>> {
    let mut curves: Vec<Curve> = Vec::new();
    for line in text.lines() {
        let rest = line.trim_start_matches(['│', '├', '╰', '─', ' ']);
        let is_size = line.starts_with(['│', ' ']);
        let is_benchmark = line.starts_with(['├', '╰']);
        let mut columns = rest.split('│');
        let first = columns.next().unwrap_or_default();
        let name = first.split_whitespace().next().unwrap_or_default();
        if is_benchmark {
            curves.push(Curve {
                name: name.to_owned(),
                points: Vec::new(),
            });
        } else if is_size
            && let Some(median) = columns.nth(1)
            // Under a size there may be a line that says how many that makes a second.
            && !median.trim().ends_with("/s")
        {
            let curve = curves.last_mut().ok_or("a size without a benchmark")?;
            curve.points.push((name.to_owned(), nanoseconds(median)?));
        }
    }
    match curves.iter().find(|curve| curve.points.is_empty()) {
        None if !curves.is_empty() => Ok(curves),
        found => Err(format!("not what divan prints: {found:?} in {text:?}").into()),
    }
}

fn nanoseconds(text: &str) -> Result<f64> {
    let (number, unit) = text.trim().split_once(' ').ok_or("a time has a unit")?;
    let factor = match unit {
        "ps" => 1e-3,
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return Err(format!("no known unit: {unit}").into()),
    };
    Ok(number.parse::<f64>()? * factor)
}

/// What committing took with some number of writers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Commit {
    /// `Fsync` or `Os`.
    pub(crate) durability: String,
    /// Writers at once.
    pub(crate) writers: String,
    /// Batches a second.
    pub(crate) rate: f64,
    /// Batches that shared one sync.
    pub(crate) group: f64,
    /// Milliseconds that a writer waited for each.
    pub(crate) wait_ms: f64,
    /// CPU milliseconds of the process for each.
    pub(crate) cpu_ms: f64,
}

/// Reads the lines that the benchmark of committing printed after its head.
pub(crate) fn of_commits(text: &str) -> Result<Vec<Commit>> {
    let rows = text.lines().skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [durability, writers, rate, group, wait_ms, cpu_ms] = columns[..] else {
            return Err(format!("not a line about committing: {line:?}").into());
        };
        Ok(Commit {
            durability: durability.to_owned(),
            writers: writers.to_owned(),
            rate: rate.parse()?,
            group: group.parse()?,
            wait_ms: wait_ms.parse()?,
            cpu_ms: cpu_ms.parse()?,
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
state           fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ change                     │               │               │               │         │
│  ├─ 100       4.1 µs        │ 9.2 µs        │ 5.5 µs        │ 6.1 µs        │ 100     │ 400
│  │            24 Mitem/s    │ 10 Mitem/s    │ 18 Mitem/s    │ 16 Mitem/s    │         │
│  ╰─ 10000     1.25 ms       │ 2 ms          │ 1.5 ms        │ 1.6 ms        │ 100     │ 100
╰─ look_up                    │               │               │               │         │
   ╰─ 100       80.5 ns       │ 99 ns         │ 90.25 ns      │ 91 ns         │ 100     │ 6400
";

    #[test]
    fn medians_are_read_from_what_divan_prints() {
        let point = |size: &str, time| (size.to_owned(), time);
        let curves = of_divan(PRINTED).unwrap();
        let change = Curve {
            name: "change".to_owned(),
            points: vec![point("100", 5_500.0), point("10000", 1_500_000.0)],
        };
        let look_up = Curve {
            name: "look_up".to_owned(),
            points: vec![point("100", 90.25)],
        };
        assert_eq!(curves, [change, look_up]);
    }

    #[test]
    fn anything_else_is_no_curve() {
        for text in ["", "error: no such benchmark\n", "├─ a │ │ │\n╰─ b │ │ │\n"]
        {
            assert!(of_divan(text).is_err(), "{text:?}");
        }
        assert!(of_divan(&PRINTED.replace("µs", "parsecs")).is_err());
        assert!(of_commits("head\nFsync\t1\t2\n").is_err());
    }
}

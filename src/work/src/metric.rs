//! Descriptions of metrics, so that a list of them can be shown, documented and tested.

/// What a metric counts like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

/// One metric: its name as Prometheus sees it and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name, in snake case, with its unit at the end.
    pub name: &'static str,
    /// What it counts like.
    pub kind: Kind,
    /// One sentence for whoever reads a dashboard.
    pub help: &'static str,
}

/// Tells the installed recorder what these metrics mean.
///
/// Handles resolved before a recorder is installed write to nowhere for good: install the recorder
/// first, then construct what measures.
pub fn describe(metrics: &[Metric]) {
    for metric in metrics {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
}

//! The log and the metrics of the process.

use heliograph_conf::{Config, LogFormat};
use heliograph_work::metric::{self, Metric};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::cli::Failure;

/// Every metric of the process, by the crate that writes it.
const METRICS: [&[Metric]; 3] = [
    heliograph_http::METRICS,
    heliograph_work::METRICS,
    heliograph_storage::METRICS,
];

/// Bounds of the buckets of durations, seconds.
const SECONDS: [f64; 12] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];
/// Bounds of the buckets of whatever else is distributed.
const NUMBERS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Starts the log, on standard error.
pub(crate) fn start_log(config: &Config) -> Result<(), Failure> {
    // The rules log every event they look at; that is for those who debug the rules.
    let filter = format!("ruma_state_res=warn,{}", config.logging.filter);
    let filter = EnvFilter::try_new(filter).map_err(Failure::other)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match config.logging.format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    started.map_err(Failure::Other)
}

/// Installs the recorder of metrics, if they are wanted; handles that are resolved before count
/// nowhere.
pub(crate) fn start_metrics(config: &Config) -> Result<Option<PrometheusHandle>, Failure> {
    if config.metrics.address.is_none() {
        return Ok(None);
    }
    let builder = PrometheusBuilder::new()
        .set_buckets(&NUMBERS)
        .and_then(|b| b.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS))
        .map_err(Failure::other)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| Failure::other(error.to_string()))?;
    METRICS.into_iter().for_each(metric::describe);
    Ok(Some(handle))
}

#[cfg(test)]
mod tests {
    use heliograph_work::metric::Kind;

    use super::*;

    #[test]
    fn the_documentation_lists_every_metric() {
        let document = include_str!("../../../docs/operations.md");
        let (_, after) = document.split_once("<!-- metrics -->\n").unwrap();
        let (listed, _) = after.split_once("<!-- end of metrics -->").unwrap();
        let rows = METRICS.concat().into_iter().map(|metric| {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            format!("| `{}` | {kind} | {} |\n", metric.name, metric.help)
        });
        let expected = format!(
            "| metric | kind | meaning |\n| --- | --- | --- |\n{}",
            rows.collect::<String>()
        );
        assert_eq!(listed, expected, "it should be:\n{expected}");
    }
}

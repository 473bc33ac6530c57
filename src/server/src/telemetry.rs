//! The log and the metrics of the process.

use std::time::Duration;

use heliograph_conf::{Config, LogFormat};
use heliograph_work::metric;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::cli::Failure;

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

/// Installs the recorder of metrics; handles that are resolved before count nowhere.
pub(crate) fn start_metrics() -> Result<PrometheusHandle, Failure> {
    let builder = PrometheusBuilder::new().upkeep_timeout(Duration::from_secs(5));
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| Failure::other(error.to_string()))?;
    for metrics in [
        heliograph_work::METRICS,
        heliograph_http::METRICS,
        heliograph_storage::METRICS,
    ] {
        metric::describe(metrics);
    }
    Ok(handle)
}

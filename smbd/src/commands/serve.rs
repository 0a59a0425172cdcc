//! `smbd serve`: puts the server together, serves, reloads and stops.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use config::{Configuration, Level, LogFormat};
use sd_notify::NotifyState;
use server::{Server, durable, entitlement::Ended, persistence};
use tokio::{
    runtime,
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    accept::Acceptors,
    administration::with_added_shares,
    announce,
    assembly::Assembly,
    control, descriptors,
    driver::Stop,
    failure::{Failure, print},
    files::read_configuration,
    gate::Gate,
    limits::raise_open_files,
    listen::{self, Listener},
    logging::Logging,
    names, privileges,
    signals::{Signals, Wish},
};

/// What the command line may say over the configuration file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Options {
    /// The form of the log: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// The general level of the log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<Level>,
}

/// Serves until a signal stops it.
pub(crate) fn run(path: &Path, options: Options) -> Result<(), Failure> {
    let configuration = options.apply(read_configuration(path)?);
    let logging = Logging::start(&configuration.log);
    // Before any thread is started, and anything is opened.
    descriptors::close_inherited();
    privileges::give_up();
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::to("start the runtime", error))?;
    let running = Running {
        path: path.to_owned(),
        options,
        logging,
    };
    let served = runtime.block_on(running.serve(configuration));
    // Whatever still hangs in the system by now is left to it.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

impl Options {
    /// The configuration with what the command line says.
    fn apply(&self, mut configuration: Configuration) -> Configuration {
        let log = &mut configuration.log;
        log.format = self.log_format.unwrap_or(log.format);
        log.level = self.log_level.unwrap_or(log.level);
        configuration
    }
}

/// What a running server needs to reload.
struct Running {
    path: PathBuf,
    options: Options,
    logging: Logging,
}

impl Running {
    async fn serve(&self, configuration: Configuration) -> Result<(), Failure> {
        let mut signals = Signals::catch()?;
        let open_files = raise_open_files();
        warn_if_few(open_files, &configuration);
        let host = names::host_name();
        let configuration = with_added_shares(configuration)?;
        let assembly = Arc::new(Assembly::new(&configuration, &host, self.logging.clone())?);
        let server = assembly.server(configuration)?;
        assembly.restore(&server).await;
        let listeners = listen::open(&server.settings().configuration.server)?;
        let control = control::listen(&server)?;
        self.say_hello(&server, &listeners, &assembly, &host);

        let (stop, stopping) = watch::channel(Stop::NotYet);
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        let acceptors = Acceptors {
            server: server.clone(),
            gate: Gate::default(),
            stopping,
            alive,
        };
        let link_settings = assembly.link_settings(&server);
        let mut tasks: Vec<_> = listeners
            .into_iter()
            .map(|listener| tokio::spawn(acceptors.clone().accept(listener, link_settings.clone())))
            .collect();
        tasks.push(tokio::spawn(control));
        tasks.push(tokio::spawn(look_again(assembly.clone(), server.clone())));
        drop(acceptors);
        notify(&[NotifyState::Ready]);

        while signals.next().await == Wish::Reload {
            reloading();
            self.reload(&server, &assembly).await;
            notify(&[NotifyState::Ready]);
        }

        notify(&[NotifyState::Stopping]);
        for task in tasks {
            task.abort();
        }
        let patience = server.settings().configuration.server.drain_timeout;
        drain(&stop, &mut all_gone, patience, &mut signals).await;
        durable::close_all(&server).await;
        tracing::info!("stopped");
        Ok(())
    }

    /// Takes over a changed configuration and the accounts. If anything is wrong with them, nothing
    /// changes.
    async fn reload(&self, server: &Arc<Server>, assembly: &Arc<Assembly>) {
        let read = || {
            let read = with_added_shares(read_configuration(&self.path)?)?;
            Ok(self.options.apply(read))
        };
        let (changes, ended) = match assembly.reload(server, read).await {
            Ok(reloaded) => reloaded,
            Err(failure) => {
                tracing::error!("the reload changed nothing: {failure}");
                return;
            }
        };
        self.logging.reload(&server.settings().configuration.log);
        assembly.look_again(server).await;
        let Ended {
            sessions,
            tree_connects,
            waiting_opens,
        } = ended;
        tracing::info!(
            ended_sessions = sessions,
            closed_tree_connects = tree_connects,
            closed_waiting_opens = waiting_opens,
            "reloaded: {changes}"
        );
        for setting in &changes.needs_restart {
            tracing::warn!(
                setting,
                "this change takes effect only when the server is started again"
            );
        }
    }

    /// Logs what is served where and as whom, and prints what to type on a client.
    fn say_hello(&self, server: &Server, listeners: &[Listener], assembly: &Assembly, host: &str) {
        let settings = server.settings();
        let configuration = &settings.configuration;
        for listener in listeners {
            tracing::info!(address = listener.describe(), "listening");
        }
        tracing::info!("{}", assembly.identities().describe());
        if configuration.log.format == LogFormat::Text {
            let address = listeners.iter().find_map(Listener::direct_address);
            let demo = assembly.demo(configuration);
            // Whoever does not want to read it need not.
            let _ = print(announce::text(configuration, address, host, demo));
        }
    }
}

/// Looks for the volumes that persistent opens wait for, until none does. That takes as long as there are opens,
/// and shall not take most of the time.
async fn look_again(assembly: Arc<Assembly>, server: Arc<Server>) {
    let mut pause = BETWEEN_LOOKS;
    while persistence::absent_count(&server) > 0 {
        tokio::time::sleep(pause).await;
        let begun = Instant::now();
        assembly.look_again(&server).await;
        pause = BETWEEN_LOOKS.max(begun.elapsed().saturating_mul(IDLE_SHARE));
    }
}

/// Lets every connection finish what is under way; those that have not after `patience`, or at a
/// second signal, are closed.
async fn drain(
    stop: &watch::Sender<Stop>,
    all_gone: &mut mpsc::Receiver<()>,
    patience: Duration,
    signals: &mut Signals,
) {
    stop.send_replace(Stop::Drain);
    tokio::select! {
        _ = all_gone.recv() => return,
        () = tokio::time::sleep(patience) => {}
        _ = signals.next() => {}
    }
    stop.send_replace(Stop::Now);
    if timeout(CLOSING, all_gone.recv()).await.is_err() {
        tracing::warn!("some connections did not close in time");
    }
}

/// Says so if fewer files may be open than the configuration allows clients to open.
fn warn_if_few(open_files: u64, configuration: &Configuration) {
    let opens = u64::from(configuration.limits.opens);
    if open_files < opens {
        tracing::debug!(
            open_files,
            opens,
            "the system allows fewer open files than limits.opens"
        );
    }
}

/// Tells a service manager that a reload begins, and when.
fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "cannot tell the service manager"),
    }
}

/// Tells a service manager, if there is one.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}

/// How often is looked for what is not mounted yet, at most.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// How much longer than a look it is until the next one, at least.
const IDLE_SHARE: u32 = 9;
/// How long connections may take to close when they are told to.
const CLOSING: Duration = Duration::from_secs(5);

//! The stores of a run: where derivations come into being, and where they are built.

use std::sync::Arc;

use super::{
    Failure,
    setup::{Setup, close, cores},
};
use crate::{
    eval::BoxFuture,
    graph::StoreView as _,
    nix::StorePath,
    run::{Builder, Deliver, Evaluate, Evaluation, PooledStore, delivered},
    store::{ClientSettings, Pool, StoreAddress},
    upload::{NixCopy, copy_derivations},
};

/// Connections to a store that is only evaluated with.
const EVALUATION_CONNECTIONS: usize = 4;

/// Connections to the stores of a run; none is open yet.
pub(super) struct Stores {
    /// The store that builds.
    pub(super) pool: Arc<Pool>,
    /// The store that evaluates, if it is another one.
    evaluating: Option<Arc<Pool>>,
    /// Copies out of the store that builds.
    pub(super) nix_copy: NixCopy,
    /// What the machine that builds is called; empty: it is this one.
    machine: String,
}

impl Stores {
    /// Finds them. `client` and `connections` are for the store that builds.
    pub(super) async fn find(
        setup: &Setup,
        client: ClientSettings,
        connections: usize,
    ) -> Result<Self, Failure> {
        let address = setup.address().await;
        let nix_copy = setup.nix_copy(&address)?;
        let Some(store) = &setup.build_store else {
            return Ok(Self {
                pool: Arc::new(Pool::new(address, client, connections)),
                evaluating: None,
                nix_copy,
                machine: String::new(),
            });
        };
        let env = |name: &str| std::env::var(name).ok();
        let building = StoreAddress::of_url(&store.url, &setup.host.daemon_program(), env);
        let evaluating = Pool::new(address, ClientSettings::default(), EVALUATION_CONNECTIONS);
        Ok(Self {
            pool: Arc::new(Pool::new(building, client, connections)),
            evaluating: Some(Arc::new(evaluating)),
            nix_copy,
            machine: store.machine(),
        })
    }

    /// Builds in the store that builds.
    pub(super) fn builder(&self) -> Builder {
        Builder::on_machine(Arc::clone(&self.pool), &self.machine)
    }

    /// The evaluation, with whatever it takes to have its derivations in the store that builds, which is looked at by
    /// `store`. Warms up the connections of `builds` builds.
    pub(super) fn evaluate(
        &self,
        setup: Setup,
        store: &Arc<PooledStore>,
        builds: Option<usize>,
    ) -> Evaluate {
        let warm_up = builds.map(|builds| (self.builder(), builds.min(cores())));
        let build_url = setup.build_store.as_ref().map(|store| store.url.clone());
        let (Some(pool), Some(url)) = (&self.evaluating, build_url) else {
            return Evaluation {
                warm_up,
                ..setup.into_evaluation(Arc::clone(store))
            }
            .into_evaluate();
        };
        let evaluating = Arc::new(PooledStore::new(Arc::clone(pool), true));
        let evaluate = Evaluation {
            warm_up,
            ..setup.into_evaluation(evaluating)
        }
        .into_evaluate();
        let nix = NixCopy {
            source: None,
            ..self.nix_copy.clone()
        };
        let store = Arc::clone(store);
        let deliver: Deliver = Arc::new(move |drv_paths| {
            let (nix, url, store) = (nix.clone(), url.clone(), Arc::clone(&store));
            let deliver: BoxFuture<'static, Result<(), String>> = Box::pin(async move {
                // Held first: what is there then stays, and so does what arrives.
                let held = store.hold(drv_paths.clone()).await;
                held.map_err(|error| error.to_string())?;
                let valid = store.valid_paths(drv_paths.clone()).await;
                let valid = valid.map_err(|error| error.to_string())?;
                let missing: Vec<StorePath> = drv_paths
                    .into_iter()
                    .filter(|path| !valid.contains(path))
                    .collect();
                copy_derivations(&nix, &url, &missing)
                    .await
                    .map_err(|fault| format!("cannot copy derivations to {url}: {}", fault.text))
            });
            deliver
        });
        delivered(evaluate, deliver)
    }

    /// Waits until the children of all connections are gone, as long as that may take.
    pub(super) async fn close(&self) {
        close(&self.pool).await;
        if let Some(pool) = &self.evaluating {
            close(pool).await;
        }
    }
}

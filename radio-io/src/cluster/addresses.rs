//! Where the workers of nodes answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use url::Url;

use super::client::Client;
use super::fault::Fault;
use super::worker;
use crate::{Error, Result};

/// The addresses of workers, by the names of their nodes.
#[derive(Clone, Debug)]
pub(super) enum Addresses {
    /// Written down.
    Fixed(Arc<BTreeMap<String, Url>>),
    /// All that a name in the DNS stands for, `host:port`; who is who, they say themselves.
    Named {
        name: Arc<str>,
        scheme: &'static str,
        urls: Arc<Mutex<BTreeMap<String, Url>>>,
    },
}

impl Addresses {
    pub(super) fn named(name: &str, scheme: &'static str) -> Self {
        Self::Named {
            name: name.into(),
            scheme,
            urls: Arc::default(),
        }
    }

    /// Where a node answers, as far as is known.
    pub(super) fn of(&self, node: &str) -> Result<Url, Fault> {
        match self {
            Self::Fixed(urls) => urls
                .get(node)
                .cloned()
                .ok_or_else(|| Fault::Away("it has no address".into())),
            Self::Named { name, urls, .. } => {
                let urls = urls.lock().unwrap_or_else(PoisonError::into_inner);
                let nobody = || Fault::Away(format!("no worker of this node answers at {name}"));
                urls.get(node).cloned().ok_or_else(nobody)
            }
        }
    }

    /// May this node be asked? Of a name in the DNS anybody may come to stand behind it.
    pub(super) fn has(&self, node: &str) -> bool {
        match self {
            Self::Fixed(urls) => urls.contains_key(node),
            Self::Named { .. } => true,
        }
    }

    /// Looks again who stands behind a name.
    ///
    /// # Errors
    ///
    /// What nobody can wait away: a token that is not that of the workers, a certificate that is not believed.
    pub(super) async fn look(&self, client: &Client) -> Result<()> {
        let Self::Named { name, scheme, urls } = self else {
            return Ok(());
        };
        let addresses = match tokio::net::lookup_host(&**name).await {
            Ok(addresses) => addresses,
            Err(error) => {
                tracing::warn!(name = &**name, %error, "no address");
                return Ok(());
            }
        };
        let asked = addresses.filter_map(|address| Url::parse(&format!("{scheme}://{address}")).ok());
        let asked = asked.map(|url| async move { (client.version(&url).await, url) });
        let mut found = BTreeMap::new();
        for (answer, url) in join_all(asked).await {
            match answer {
                Ok(version) => match worker::node_of(&version) {
                    Some(node) => drop(found.insert(node.to_owned(), url)),
                    None => tracing::warn!(%url, version, "no worker of this version"),
                },
                Err(fault) => refuse(url.as_str(), &fault)?,
            }
        }
        *urls.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    /// Is everybody who answers the one that was meant?
    ///
    /// # Errors
    ///
    /// [`Error::Node`] where it is another one, or does not want to talk.
    pub(super) async fn check(&self, client: &Client) -> Result<()> {
        let Self::Fixed(urls) = self else {
            return self.look(client).await;
        };
        let asked = urls
            .iter()
            .map(|(node, url)| async move { (node, client.version(url).await) });
        for (node, answer) in join_all(asked).await {
            match answer {
                Ok(version) if worker::node_of(&version) == Some(node) => {}
                Ok(version) => {
                    let expected = worker::version(node);
                    return Err(Error::Node {
                        node: node.clone(),
                        reason: format!("another one answers: {version:?}, expected {expected:?}"),
                    });
                }
                Err(fault) => refuse(node, &fault)?,
            }
        }
        Ok(())
    }
}

/// What the TLS stack says of a certificate that is not believed.
const WRONG_CERTIFICATE: &str = "invalid peer certificate";

/// Who does not answer may come yet; a wrong token does not become right, and neither does a certificate.
fn refuse(node: &str, fault: &Fault) -> Result<()> {
    let reason = match fault {
        Fault::Away(reason)
            if ![worker::WRONG_TOKEN, WRONG_CERTIFICATE]
                .iter()
                .any(|wrong| reason.contains(wrong)) =>
        {
            tracing::warn!(node, reason, "does not answer yet");
            return Ok(());
        }
        Fault::Away(reason) | Fault::Busy(reason) | Fault::Refused(reason) | Fault::Piece { reason, .. } => {
            reason.clone()
        }
    };
    let node = node.to_owned();
    Err(Error::Node { node, reason })
}

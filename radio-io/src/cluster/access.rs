//! Who may ask, and how nobody else listens.

use std::sync::Arc;

use tonic::transport::{Endpoint, Error};

/// What a [`Cluster`](super::Cluster) shows to its workers, and how it knows that they are the ones. Default: it shows nothing and believes
/// everybody, which is meant for a closed network; see [`Worker`](super::Worker).
///
/// # Examples
///
/// ```
/// use radio_io::cluster::Access;
///
/// let access = Access::default().with_token("correct horse battery staple");
/// ```
#[derive(Clone, Default)]
pub struct Access {
    token: Option<Arc<str>>,
    #[cfg(feature = "cluster-tls")]
    authority: Option<Arc<str>>,
}

impl Access {
    /// Shows this token, which workers may [ask for](super::WorkerBuilder::token).
    #[must_use]
    pub fn with_token(mut self, token: impl Into<Arc<str>>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Encrypts the way (TLS), and believes workers alone whose [certificate](super::WorkerBuilder::tls) is one of these, or signed by one of
    /// them (PEM). Addresses of workers then begin with `https`; a certificate has to name the host in its worker's address, or the name in
    /// the DNS where workers are found by one.
    #[cfg(feature = "cluster-tls")]
    #[must_use]
    pub fn with_authority(mut self, certificates: impl Into<Arc<str>>) -> Self {
        self.authority = Some(certificates.into());
        self
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

#[cfg(feature = "cluster-tls")]
impl Access {
    /// How addresses of workers begin.
    pub(super) fn scheme(&self) -> &'static str {
        if self.authority.is_some() { "https" } else { "http" }
    }

    /// The end of a connection, encrypted if it is to be. `host` is what the worker's certificate has to name; none for the host in its address.
    pub(super) fn endpoint(&self, endpoint: Endpoint, host: Option<&str>) -> Result<Endpoint, Error> {
        let Some(authority) = &self.authority else {
            return Ok(endpoint);
        };
        let authority = tonic::transport::Certificate::from_pem(authority.as_bytes());
        let tls = tonic::transport::ClientTlsConfig::new().ca_certificate(authority);
        endpoint.tls_config(match host {
            Some(host) => tls.domain_name(host),
            None => tls,
        })
    }

    /// What is wrong with it.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let certificates = self.authority.as_ref()?;
        let has_one = certificates.contains("-----BEGIN CERTIFICATE-----");
        (!has_one)
            .then_some("no certificate in what workers are to be known by: expected PEM, -----BEGIN CERTIFICATE-----")
    }
}

#[cfg(not(feature = "cluster-tls"))]
#[expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the same signatures as with the feature"
)]
impl Access {
    pub(super) fn scheme(&self) -> &'static str {
        "http"
    }

    pub(super) fn endpoint(&self, endpoint: Endpoint, _host: Option<&str>) -> Result<Endpoint, Error> {
        Ok(endpoint)
    }

    pub(super) fn fault(&self) -> Option<&'static str> {
        None
    }
}

/// Without what is secret.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("scheme", &self.scheme())
            .field("has_token", &self.token.is_some())
            .finish_non_exhaustive()
    }
}

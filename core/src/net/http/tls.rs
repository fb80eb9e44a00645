//! Whom TLS trusts and as whom it presents itself: ring for cryptography, the system's trust store plus the
//! settings' authorities, the settings' certificate for mutual TLS.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::base::{ErrorKind, Retry, Secret};
use crate::model::{Error, Result};

/// What every client of a transport shares: keys are parsed once, the system's store is read once.
pub(super) struct Tls {
    config: ClientConfig,
    trust: Arc<Trust>,
}

impl Tls {
    /// Parses what the settings give. Reads no file.
    ///
    /// # Errors
    /// `Invalid` (ca_certificates, client_certificate).
    pub(super) fn new(authorities: Option<&str>, identity: Option<&Secret>) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let extra = authorities.map(parse_authorities).transpose()?.unwrap_or_default();
        if cfg!(target_os = "android") && !extra.is_empty() {
            return Err(Error::invalid(
                "ca_certificates",
                "Android trusts whom the app says: name them in its network security config, and leave \
                 `network.ca_certificates` out",
            ));
        }
        let trust = Arc::new(Trust {
            #[cfg(not(target_os = "android"))]
            extra,
            provider: Arc::clone(&provider),
            verifier: OnceLock::new(),
        });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| Error::internal("ring offers no safe version of TLS"))?
            .dangerous() // only a name: the verifier below is the platform's own
            .with_custom_certificate_verifier(Arc::new(Watched { trust: Arc::clone(&trust), _alive: None }));
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let (chain, key) = parse_identity(pem)?;
                builder.with_client_auth_cert(chain, key).map_err(|_| bad_identity())?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config, trust })
    }

    /// The configuration for one client. `alive` goes when the client and the last of its TLS connections are gone:
    /// each connection keeps the configuration, the configuration keeps the verifier, and that keeps the token.
    pub(super) fn config(&self, alive: TaskTrackerToken) -> ClientConfig {
        let mut config = self.config.clone();
        let verifier = Watched { trust: Arc::clone(&self.trust), _alive: Some(alive) };
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        config
    }

    /// Reads the system's trust store where that was not done yet, off the runtime's threads: on Linux that is some
    /// 150 certificates from a file.
    pub(super) async fn load_system_roots(&self) -> Result<()> {
        if self.trust.verifier.get().is_none() {
            let trust = Arc::clone(&self.trust);
            let loading = tokio::task::spawn_blocking(move || trust.verifier().is_ok());
            if !loading.await.unwrap_or(false) {
                return Err(no_trust());
            }
        }
        self.trust.verifier().map(drop).map_err(|_| no_trust())
    }
}

fn no_trust() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "tls",
        if cfg!(target_os = "android") {
            "Android cannot be asked whom to trust: open the engine with the app's context (in Kotlin \
             `Tertulia.open(context)`), or call `net::trust_android` first"
        } else {
            "the system's certificate authorities could not be read: install them (`ca-certificates`) or give \
             `network.ca_certificates`"
        },
    )
    .with_retry(Retry::Never)
}

fn parse_authorities(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let bad = || {
        Error::invalid(
            "ca_certificates",
            "`network.ca_certificates` must be one or more certificates in PEM (`-----BEGIN CERTIFICATE-----`)",
        )
    };
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<std::result::Result<_, _>>().map_err(|_| bad())?;
    let mut checked = RootCertStore::empty();
    if found.is_empty() || found.iter().any(|certificate| checked.add(certificate.clone()).is_err()) {
        return Err(bad());
    }
    Ok(found)
}

fn parse_identity(pem: &Secret) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let bytes = pem.expose().as_bytes();
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(bytes).collect::<std::result::Result<_, _>>().map_err(|_| bad_identity())?;
    let key = PrivateKeyDer::from_pem_slice(bytes).map_err(|_| bad_identity())?;
    if chain.is_empty() { Err(bad_identity()) } else { Ok((chain, key)) }
}

fn bad_identity() -> Error {
    Error::invalid(
        "client_certificate",
        "`network.client_certificate` must hold, in PEM, a certificate chain and the private key of its first \
         certificate",
    )
}

#[derive(Debug)]
struct Trust {
    #[cfg(not(target_os = "android"))]
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<std::result::Result<Verifier, rustls::Error>>,
}

impl Trust {
    fn verifier(&self) -> std::result::Result<&Verifier, rustls::Error> {
        // It would panic; and it may be told later.
        #[cfg(target_os = "android")]
        if !super::android::is_told() {
            return Err(rustls::Error::General("Android was not told of the app".to_owned()));
        }
        let make = || {
            #[cfg(not(target_os = "android"))]
            let made = Verifier::new_with_extra_roots(self.extra.clone(), Arc::clone(&self.provider));
            // Android asks the system to verify.
            #[cfg(target_os = "android")]
            let made = Verifier::new(Arc::clone(&self.provider));
            made
        };
        self.verifier.get_or_init(make).as_ref().map_err(Clone::clone)
    }
}

/// The platform's verifier, made when it is first needed, and a token that lives as long as it.
#[derive(Debug)]
struct Watched {
    trust: Arc<Trust>,
    _alive: Option<TaskTrackerToken>,
}

impl ServerCertVerifier for Watched {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        self.trust.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verifier()?.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.trust.verifier()?.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.provider.signature_verification_algorithms.supported_schemes()
    }
}

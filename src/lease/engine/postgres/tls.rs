//! `sslmode`: whether TLS is used, and what a server must prove.
//!
//! As libpq means it: `prefer` and `require` believe whoever answers, but `require` with certificates to trust is `verify-ca`.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};

use crate::base::error::Error;
use crate::lease::engine::stream::trusted_roots;
use crate::lease::engine::url::{EngineUrl, PostgresAddress, PostgresTls};

/// What is done about TLS.
#[derive(Clone)]
pub enum TlsWish {
    No,
    /// If the server has it.
    Preferred(Arc<ClientConfig>),
    Required(Arc<ClientConfig>),
}

impl TlsWish {
    /// `None`: the URL wants an authority looked at and no name, but names no authority. Anybody gets a certificate of one that
    /// the whole world trusts.
    ///
    /// # Errors
    /// The URL's certificates cannot be used.
    pub fn of(address: &PostgresAddress, url: &EngineUrl) -> Result<Option<Self>, Error> {
        let file = address.root_certificates.as_deref().or(url.ca_file());
        if file.is_none() && address.tls == PostgresTls::VerifyCa {
            return Ok(None);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unverified = || Verifier { provider: Arc::clone(&provider), chain: None };
        let verified = |has_name: bool| -> Result<Verifier, Error> {
            let (roots, own) = trusted_roots(file)?;
            let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
            let webpki = webpki.build().map_err(|error| Error::Bug(error.to_string()))?;
            Ok(Verifier { provider: Arc::clone(&provider), chain: Some(Chain { webpki, own, has_name }) })
        };
        let (certificates, is_required) = match address.tls {
            PostgresTls::Disable => return Ok(Some(Self::No)),
            PostgresTls::Prefer => (unverified(), false),
            PostgresTls::Require if file.is_none() => (unverified(), true),
            PostgresTls::Require | PostgresTls::VerifyCa => (verified(false)?, true),
            PostgresTls::VerifyFull => (verified(true)?, true),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Bug(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(certificates))
            .with_no_client_auth();
        let config = Arc::new(config);
        Ok(Some(if is_required { Self::Required(config) } else { Self::Preferred(config) }))
    }
}

/// What a certificate is held against; nothing without a chain.
struct Verifier {
    provider: Arc<CryptoProvider>,
    chain: Option<Chain>,
}

struct Chain {
    webpki: Arc<WebPkiServerVerifier>,
    /// The trusted certificates that a file names. PostgreSQL's manual has a server's own one be its root.
    own: Vec<CertificateDer<'static>>,
    has_name: bool,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({:?})", self.chain.as_ref().map(|chain| chain.has_name))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        if chain.own.iter().any(|own| own == end_entity) {
            if chain.has_name {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        match chain.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // What is looked at last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !chain.has_name => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.chain.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.chain.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

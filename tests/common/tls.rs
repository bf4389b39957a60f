//! TLS before a plain server, with a certificate of an authority that nobody knows.

use super::local::LocalPort;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The authority that signed [`TlsFront`]'s certificate for localhost, and one that did not. Both
/// keys were thrown away.
pub const CA: &str = include_str!("../data/tls/ca.pem");
pub const OTHER_CA: &str = include_str!("../data/tls/other_ca.pem");

/// Ends when dropped.
pub struct TlsFront {
    port: LocalPort,
}

impl TlsFront {
    pub fn start(upstream: SocketAddr) -> TlsFront {
        let chain = include_bytes!("../data/tls/server.pem");
        let key = include_bytes!("../data/tls/server.key");
        let chain = CertificateDer::from_pem_slice(chain).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .expect("a usable certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let port = LocalPort::start(|listener| async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // a client that does not like the certificate goes away
                    let mut client = acceptor.accept(client).await.ok()?;
                    let mut server = TcpStream::connect(upstream).await.ok()?;
                    tokio::io::copy_bidirectional(&mut client, &mut server)
                        .await
                        .ok()
                });
            }
        });
        TlsFront { port }
    }

    /// The URL for clients, by the name in the certificate.
    pub fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.port.address().port())
    }
}

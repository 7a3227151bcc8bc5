//! TLS before a server that has none, by a certificate of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// An address of loopback that no other process of tests uses.
pub(crate) fn own_address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 43, high, low)
}

/// Who signs, and what: certificates that are made for one test.
pub(crate) struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Makes one that has signed a certificate for `localhost` and addresses of loopback.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let openssl = |arguments: &str| {
            let output = Command::new("openssl")
                .args(arguments.split(' '))
                .current_dir(folder)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "openssl {arguments}: {said}");
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=tests"
        ));
        openssl(&format!(
            "req {key} -keyout key.pem -out request.pem -subj /CN=localhost"
        ));
        let names = format!(
            "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:{}",
            own_address()
        );
        fs::write(folder.join("names"), names).unwrap();
        openssl(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out leaf.pem",
        );
        let folder = folder.to_owned();
        Self { folder }
    }

    /// What whoever trusts it needs.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Listens with TLS, and passes on what comes to a server without. Returns where; none: it may not listen there. Has to be
    /// called in a runtime, and ends with it.
    pub(crate) async fn front(&self, at: SocketAddr, behind: SocketAddr) -> Option<SocketAddr> {
        let listener = TcpListener::bind(at).await.ok()?;
        let at = listener.local_addr().unwrap();
        let read = |name: &str| self.folder.join(name);
        let leaf = CertificateDer::from_pem_file(read("leaf.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(read("key.pem")).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut client = acceptor.accept(client).await?;
                    let mut server = TcpStream::connect(behind).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Some(at)
    }
}

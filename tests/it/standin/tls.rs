//! A certificate authority of the test's own, made with openssl(1), and a server certificate of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::harness::Test;

/// An authority with one server certificate, as files in a folder.
pub struct Authority {
    folder: PathBuf,
}

/// Makes one in `folder` of the test; its server certificate ends after so many days (-1: it has ended).
#[track_caller]
pub fn make_authority(test: &Test, folder: &str, days: i32) -> Authority {
    let folder = test.path(folder);
    std::fs::create_dir(&folder).expect("a folder for certificates");
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").expect("the names");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&folder, &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=test-ca -days 2"));
    openssl(&folder, &format!("req {key} -keyout server.key -out server.csr -subj /CN=standin"));
    let sign = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out server.pem";
    openssl(&folder, &format!("{sign} -days {days}"));
    Authority { folder }
}

#[track_caller]
fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl")
        .args(line.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl(1): run `bash tests/run.sh --setup` once");
    assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Authority {
    /// What `--ca-file` takes.
    pub fn file(&self) -> String {
        self.folder.join("ca.pem").to_str().expect("UTF-8").to_owned()
    }

    /// What a server needs.
    pub fn config(&self) -> Arc<ServerConfig> {
        let certificate = CertificateDer::from_pem_file(self.folder.join("server.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.folder.join("server.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        Arc::new(config)
    }
}

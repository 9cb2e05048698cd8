//! STARTTLS, implicit TLS and logins, with certificates made for the test.
//!
//! The test's authority is trusted the way an operator would: by `SSL_CERT_FILE`. As a process's environment is read
//! by all its threads, each test runs itself once more in a process of its own that has it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::smtpd::{Smtpd, data, python, script};
use super::*;

/// Tells the second process where the certificates are.
const CERTS: &str = "RECOLTE_TEST_CERTS";

/// Runs `body` with the certificates' folder where the test's authority is trusted: in a process of its own.
fn trusting<F: Future<Output = ()>>(name: &str, body: impl FnOnce(PathBuf) -> F) {
    if let Some(certs) = std::env::var_os(CERTS) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(body(certs.into()));
    }
    let certs = tempfile::tempdir().unwrap();
    let made = Command::new(python()).arg(script()).arg("--make-certs").arg(certs.path()).status().unwrap();
    assert!(made.success(), "openssl makes certificates: is it installed?");
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("mail::tests::tls::{name}"), "--nocapture"])
        .env(CERTS, certs.path())
        .env("SSL_CERT_FILE", certs.path().join("ca.pem"))
        .env_remove("SSL_CERT_DIR")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    let complained = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

async fn server(certs: &Path, options: &[&str]) -> Smtpd {
    let mut all = vec!["--certs", certs.to_str().unwrap()];
    all.extend(options);
    Smtpd::start(&all).await
}

fn login(settings: Settings, user: &str, password: &str) -> Settings {
    Settings { user: Some(user.into()), password: Some(Password::new(password)), ..settings }
}

async fn sent(settings: &Settings) -> Result<Delivery, MailError> {
    send_within(settings, &email(100_000), &QUICK).await
}

#[test]
fn starttls_with_a_login() {
    trusting("starttls_with_a_login", |certs| async move {
        let server = server(&certs, &["--tls", "starttls", "--auth", "moi:s3crèt"]).await;
        let settings = login(server.settings("smtp+starttls"), "moi", "s3crèt\n");
        assert_eq!(sent(&settings).await.unwrap(), Delivery::default());
        let message = server.messages().await.remove(0);
        assert_eq!(message["tls"], true);
        assert_carries(&data(&message), &email(100_000));
    });
}

#[test]
fn implicit_tls_with_each_login() {
    trusting("implicit_tls_with_each_login", |certs| async move {
        for without in ["PLAIN", "LOGIN"] {
            let options = ["--tls", "implicit", "--auth", "moi:secret", "--no-mechanism", without];
            let server = server(&certs, &options).await;
            let settings = login(server.settings("smtps"), "moi", "secret");
            assert_eq!(server_limit(&settings).await.unwrap(), Some(33_554_432));
            sent(&settings).await.unwrap();
            let login = server.events("login").await.remove(0);
            assert_eq!((login["right"].as_bool(), login["mechanism"] == without), (Some(true), false));
        }
    });
}

#[test]
fn a_wrong_password_is_tried_once() {
    trusting("a_wrong_password_is_tried_once", |certs| async move {
        let server = server(&certs, &["--tls", "implicit", "--auth", "moi:secret"]).await;
        let error = sent(&login(server.settings("smtps"), "moi", "s3cr3t")).await.unwrap_err();
        assert!(error.to_string().contains("answered at login: 535"), "{error}");
        assert!(!error.explain().contains("s3cr3t"));
        assert_eq!(server.events("login").await.len(), 1);
    });
}

#[test]
fn no_login_offered_is_said() {
    trusting("no_login_offered_is_said", |certs| async move {
        let options = ["--tls", "starttls", "--no-mechanism", "PLAIN", "--no-mechanism", "LOGIN"];
        let server = server(&certs, &options).await;
        let error = sent(&login(server.settings("smtp+starttls"), "moi", "secret")).await.unwrap_err();
        assert!(matches!(error, MailError::Smtp(SmtpError { kind: MailMessage::NoLogin, .. })), "{error}");
    });
}

#[test]
fn a_certificate_under_another_name_is_refused() {
    trusting("a_certificate_under_another_name_is_refused", |certs| async move {
        for (tls, scheme) in [("starttls", "smtp+starttls"), ("implicit", "smtps")] {
            let server = server(&certs, &["--tls", tls, "--certificate", "other"]).await;
            let error_chain = sent(&server.settings(scheme)).await.unwrap_err().explain();
            assert!(
                error_chain.contains("no trustworthy TLS connection")
                    && error_chain.contains("not valid for name"),
                "{error_chain}"
            );
            assert!(server.events("connection").await.len() < 2);
        }
    });
}

#[test]
fn answers_injected_before_tls_are_not_believed() {
    trusting("answers_injected_before_tls_are_not_believed", |certs| async move {
        let server = server(&certs, &["--tls", "starttls", "--inject"]).await;
        let error = sent(&server.settings("smtp+starttls")).await.unwrap_err();
        assert!(
            matches!(error, MailError::Smtp(SmtpError { kind: MailMessage::NoTrustworthyTls, .. })),
            "{error:?}"
        );
        assert_eq!(server.messages().await.len(), 0);
    });
}

#[test]
fn tls_of_the_wrong_kind_is_said() {
    trusting("tls_of_the_wrong_kind_is_said", |certs| async move {
        let plain = server(&certs, &[]).await;
        let error_chain = sent(&plain.settings("smtps")).await.unwrap_err().explain();
        assert!(
            error_chain.contains("no trustworthy TLS connection")
                && error_chain.contains("587 with smtp+starttls"),
            "{error_chain}"
        );
        let implicit = server(&certs, &["--tls", "implicit"]).await;
        let error = sent(&implicit.settings("smtp+starttls")).await.unwrap_err();
        let silent = matches!(
            error,
            MailError::Smtp(SmtpError {
                kind: MailMessage::ServerSilent { .. },
                stage: &MailMessage::WhileConnecting,
                ..
            })
        );
        assert!(silent && error.explain().contains("465 smtps"), "{error}");
    });
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    let certs = tempfile::tempdir().unwrap();
    assert!(
        Command::new(python())
            .arg(script())
            .arg("--make-certs")
            .arg(certs.path())
            .status()
            .unwrap()
            .success()
    );
    let server = server(certs.path(), &["--tls", "implicit"]).await;
    let error_chain = sent(&server.settings("smtps")).await.unwrap_err().explain();
    assert!(
        error_chain.contains("no trustworthy TLS connection") && error_chain.contains("SSL_CERT_FILE"),
        "{error_chain}"
    );
    assert_eq!(server.messages().await.len(), 0);
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing() {
    let server = Smtpd::start(&[]).await;
    let error_chain = sent(&server.settings("smtp+starttls")).await.unwrap_err().explain();
    assert!(error_chain.contains("offers no STARTTLS") && error_chain.contains("smtps://"), "{error_chain}");
    assert_eq!(server.messages().await.len(), 0);
}

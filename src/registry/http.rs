//! A client for HTTP and HTTPS that trusts servers with little: few redirects, none that leaves encryption, none that
//! takes credentials along, and answers that are streamed, never gathered in memory.
//!
//! Nothing is set up before the first request, and certificates are loaded for the first that is encrypted. Calls block;
//! whoever wants to give up on one ends the process that makes it.

use crate::error::{Kind, Result, fail, fail_with};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

/// Redirects that are followed (as curl and Docker: a handful).
const MAX_REDIRECTS: usize = 5;
/// For connecting, and for each wait for the server's next bytes; a whole download may take as long as it needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to ask for.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The address, `http://` or `https://`, perhaps with `user:password@`.
    pub url: &'a str,
    /// More header lines. They go to the first host only.
    pub headers: &'a [(&'a str, &'a str)],
}

/// A server's answer.
pub struct Answer {
    /// The status, 200 to 299 or 304; everything else is an error.
    pub status: u16,
    response: ureq::http::Response<Body>,
}

impl Answer {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The bytes, as long as they come.
    pub fn into_reader(self) -> impl Read {
        self.response.into_body().into_reader()
    }
}

/// Asks by GET, and follows redirects.
pub fn get(request: &Request<'_>) -> Result<Answer> {
    let shown = without_credentials(request.url);
    let mut url: Uri = request.url.parse().map_err(|e| fail(Kind::User, format!("{shown}: {e}")))?;
    let authorization = basic(&url);
    for hop in 0..=MAX_REDIRECTS {
        let agent = agent(&url)?;
        let mut builder = agent.get(plain(&url, &shown)?);
        if hop == 0 {
            builder = request.headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
            builder = authorization.iter().fold(builder, |builder, value| builder.header("Authorization", value));
        }
        let response = builder.call().map_err(|e| unreachable_server(&shown, &url, e))?;
        let status = response.status().as_u16();
        match status {
            200..=299 | 304 => return Ok(Answer { status, response }),
            301 | 302 | 303 | 307 | 308 => {
                let location = response.headers().get("location").and_then(|v| v.to_str().ok());
                let location = location.ok_or_else(|| fail(Kind::System, format!("{shown}: redirect to nowhere")))?;
                url = follow(&url, location).map_err(|why| fail(Kind::System, format!("{shown}: {why}")))?;
            }
            404 | 410 => return Err(fail(Kind::NotFound, format!("{shown}: not found on the server ({status})"))),
            401 | 403 => {
                return Err(fail_with(
                    Kind::User,
                    format!("{shown}: the server refuses access ({status})"),
                    "Is a user name or a password missing?",
                ));
            }
            _ => return Err(fail(Kind::System, format!("{shown}: the server answers {}", response.status()))),
        }
    }
    Err(fail(Kind::System, format!("{shown}: more than {MAX_REDIRECTS} redirects")))
}

/// Where a redirect leads.
fn follow(from: &Uri, location: &str) -> Result<Uri, String> {
    let (scheme, authority) = (from.scheme_str().unwrap_or_default(), from.authority().map_or("", |a| a.as_str()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let text = if location.contains("://") {
        location.to_string()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{host}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{scheme}://{host}{folder}/{location}")
    };
    let text = text.split('#').next().unwrap_or_default();
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(format!("redirect to {}, which is not HTTP", without_credentials(text)));
    }
    let to: Uri = text.parse().map_err(|e| format!("redirect to {location:?}: {e}"))?;
    if scheme == "https" && to.scheme_str() != Some("https") {
        return Err(format!("redirect from https to {}, which is not encrypted", without_credentials(text)));
    }
    Ok(to)
}

/// The address as it is sent: without credentials.
fn plain(url: &Uri, shown: &str) -> Result<Uri> {
    let authority = url.authority().map_or("", |a| a.as_str());
    let Some((_, host)) = authority.rsplit_once('@') else { return Ok(url.clone()) };
    let mut parts = url.clone().into_parts();
    parts.authority = Some(host.parse().map_err(|e| fail(Kind::User, format!("{shown}: {e}")))?);
    Uri::from_parts(parts).map_err(|e| fail(Kind::User, format!("{shown}: {e}")))
}

/// The header for `user:password@` of an address.
fn basic(url: &Uri) -> Option<String> {
    let (user, _) = url.authority()?.as_str().rsplit_once('@')?;
    Some(format!("Basic {}", base64(user.as_bytes())))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize] as char;
            out.push(if at <= chunk.len() { digit } else { '=' });
        }
    }
    out
}

fn agent(url: &Uri) -> Result<Agent> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .user_agent(concat!("dhow/", env!("CARGO_PKG_VERSION")));
    let config = if url.scheme_str() == Some("https") { config.tls_config(tls()?) } else { config };
    Ok(config.build().new_agent())
}

/// The machine's certificates; reading them takes milliseconds.
fn tls() -> Result<TlsConfig> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(fail_with(
            Kind::System,
            "no certificates to check servers with are installed",
            "Install the package ca-certificates, or name a file of them in SSL_CERT_FILE.",
        ));
    }
    let certs: Vec<_> = found.certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&certs))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

fn unreachable_server(shown: &str, url: &Uri, error: ureq::Error) -> anyhow::Error {
    let host = url.host().unwrap_or_default();
    fail_with(
        Kind::System,
        format!("{shown}: cannot be fetched from {host}: {error}"),
        "Is the network up, and the name right? A proxy is taken from HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
    )
}

/// An address as messages show it.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host);
    format!("{scheme}://{host}{}", &rest[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_redirects_lead() {
        let from: Uri = "https://u:p@h:1/a/b?q".parse().unwrap();
        for (location, to) in [
            ("/x", "https://h:1/x"),
            ("x#f", "https://h:1/a/x"),
            ("//g/x", "https://g/x"),
            ("https://g/x", "https://g/x"),
        ] {
            assert_eq!(follow(&from, location).unwrap().to_string(), to);
        }
        assert!(follow(&from, "http://h:1/x").unwrap_err().contains("not encrypted"));
        for bad in ["file:///etc/passwd", "ftp://h/x", "https://", "https://h/ x"] {
            assert!(follow(&from, bad).is_err(), "{bad}");
        }
        assert!(follow(&"http://h/".parse().unwrap(), "https://h/").is_ok());
    }

    #[test]
    fn credentials_go_into_a_header() {
        let url: Uri = "http://user:pass@h/x".parse().unwrap();
        assert_eq!(basic(&url).unwrap(), "Basic dXNlcjpwYXNz");
        assert_eq!(plain(&url, "").unwrap().to_string(), "http://h/x");
        assert_eq!(without_credentials("http://user:pass@h/x@y"), "http://h/x@y");
        for (bytes, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }
}

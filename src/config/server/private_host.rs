//! Hosts of one's own network that evaluations may fetch from.

/// A host, or a host and a port: `cache.internal`, `10.0.0.7:8080`, `[fd00::7]:8080`; `*` is any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrivateHost {
    /// Its name or address, as an URL has it: in lower case, an address of IPv6 in brackets.
    pub name: String,
    /// The port; none: any.
    pub port: Option<u16>,
}

impl PrivateHost {
    /// Reads one. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            let name = text.to_owned();
            return Ok(Self { name, port: None });
        }
        let wrong = || {
            format!(
                "`{text}` is no host: write it as in a URL, such as `cache.internal` or `10.0.0.7:8080`, or `*` for any"
            )
        };
        // A port that URLs leave out says that one was meant.
        let url = url::Url::parse(&format!("http://{text}")).map_err(|_| wrong())?;
        let is_more = url.path() != "/" || url.query().is_some() || url.fragment().is_some();
        if is_more || !url.username().is_empty() || text.ends_with('/') || text.contains('@') {
            return Err(wrong());
        }
        let is_default = text.ends_with(":80");
        Ok(Self {
            name: url.host_str().ok_or_else(wrong)?.to_owned(),
            port: url.port().or(is_default.then_some(80)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::PrivateHost;

    #[test]
    fn a_host_is_as_in_a_url() {
        for (text, name, port) in [
            ("Cache.internal", "cache.internal", None),
            ("10.0.0.7:8080", "10.0.0.7", Some(8080)),
            ("[FD00::7]:80", "[fd00::7]", Some(80)),
            ("*", "*", None),
        ] {
            let host = PrivateHost::parse(text).unwrap();
            assert_eq!((host.name.as_str(), host.port), (name, port));
        }
        for text in [
            "",
            "https://cache.internal",
            "a/b",
            "a@b",
            "a b",
            "cache:99999",
        ] {
            assert!(PrivateHost::parse(text).is_err(), "{text}");
        }
    }
}

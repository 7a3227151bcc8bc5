//! Texts with holes: `%(prop:NAME)s` and `%(secret:NAME)s`, as in buildbot-nix.

use std::collections::{BTreeMap, HashMap};

use secrecy::{ExposeSecret as _, SecretString};

/// What is known of a check that has passed, for what is run after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    /// The attribute path below the one that is built: `x86_64-linux.fmt`.
    Attr,
    /// The branch, or the tag; otherwise the full ref: `refs/pull/7/head`.
    Branch,
    /// The branch that counts.
    DefaultBranch,
    /// The derivation.
    DrvPath,
    /// What asked for the run: `push`, also for tags, `pull_request`, `manual`, `schedule`.
    Event,
    /// The output `out`, or the first one where there is none of that name.
    OutPath,
    /// The number of the pull request; empty otherwise.
    PrNumber,
    /// `OWNER/NAME`.
    Project,
    /// Where git finds the repository.
    Repository,
    /// The commit; of a pull request its head.
    Revision,
    /// The system.
    System,
}

impl Property {
    const ALL: [Self; 11] = [
        Self::Attr,
        Self::Branch,
        Self::DefaultBranch,
        Self::DrvPath,
        Self::Event,
        Self::OutPath,
        Self::PrNumber,
        Self::Project,
        Self::Repository,
        Self::Revision,
        Self::System,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Attr => "attr",
            Self::Branch => "branch",
            Self::DefaultBranch => "default_branch",
            Self::DrvPath => "drv_path",
            Self::Event => "event",
            Self::OutPath => "out_path",
            Self::PrNumber => "pr_number",
            Self::Project => "project",
            Self::Repository => "repository",
            Self::Revision => "revision",
            Self::System => "system",
        }
    }
}

/// What the properties are; those that are not there are empty.
pub type Properties = BTreeMap<Property, String>;

/// A text with holes for properties and secrets. Two percent signs stand for one; one that no `(` follows, for itself.
#[derive(Clone, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Property(Property),
    Secret { name: String, value: SecretString },
}

impl Template {
    /// Reads a text; `secrets` are those that are configured. An error says what it names that is not there.
    pub(super) fn parse(
        text: &str,
        secrets: &HashMap<String, SecretString>,
    ) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            plain.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            let Some(named) = behind.strip_prefix('(') else {
                plain.push('%');
                rest = behind.strip_prefix('%').unwrap_or(behind);
                continue;
            };
            let (name, after) = named
                .split_once(")s")
                .ok_or_else(|| format!("`%({named}` has no end `)s`; write `%%(` for `%(`"))?;
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(hole(name, secrets)?);
            rest = after;
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }

    /// The text, with secrets in it.
    pub fn fill(&self, properties: &Properties) -> String {
        self.text(properties, |_, value| value.expose_secret().to_owned())
    }

    /// The same with the names of secrets in their places, to be compared and shown.
    pub fn without_secrets(&self, properties: &Properties) -> String {
        self.text(properties, |name, _| format!("%(secret:{name})s"))
    }

    /// The secrets in it.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret { value, .. } => Some(value),
            Part::Text(_) | Part::Property(_) => None,
        })
    }

    fn text(
        &self,
        properties: &Properties,
        secret: impl Fn(&str, &SecretString) -> String,
    ) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Property(property) => properties.get(property).cloned().unwrap_or_default(),
            Part::Secret { name, value } => secret(name, value),
        };
        self.0.iter().map(text).collect()
    }
}

fn hole(name: &str, secrets: &HashMap<String, SecretString>) -> Result<Part, String> {
    if let Some(name) = name.strip_prefix("prop:") {
        let property = Property::ALL.iter().find(|known| known.as_str() == name);
        return property.copied().map(Part::Property).ok_or_else(|| {
            let known: Vec<&str> = Property::ALL.iter().map(|known| known.as_str()).collect();
            format!("there is no property `{name}`: {}", known.join(", "))
        });
    }
    let Some(name) = name.strip_prefix("secret:") else {
        return Err(format!(
            "`%({name})s` is neither `%(prop:NAME)s` nor `%(secret:NAME)s`"
        ));
    };
    let value = secrets.get(name).cloned();
    value
        .map(|value| Part::Secret {
            name: name.to_owned(),
            value,
        })
        .ok_or_else(|| format!("there is no secret `{name}`: name its file in `[secrets]`"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Property, Template};

    fn filled(text: &str) -> Result<(String, String), String> {
        let secrets = HashMap::from([("key".to_owned(), "s3cret".into())]);
        let properties = [
            (Property::OutPath, "/nix/store/x".to_owned()),
            (Property::Attr, "%(secret:key)s".to_owned()),
        ];
        let properties = properties.into_iter().collect();
        let template = Template::parse(text, &secrets)?;
        Ok((
            template.fill(&properties),
            template.without_secrets(&properties),
        ))
    }

    #[test]
    fn properties_and_secrets_are_filled_in_once() {
        let same = |text: &str| Ok((text.to_owned(), text.to_owned()));
        assert_eq!(filled("a %(prop:out_path)s b"), same("a /nix/store/x b"));
        assert_eq!(filled("%(prop:pr_number)s"), same(""));
        assert_eq!(
            filled("date +%s 100% %%(prop:x)s"),
            same("date +%s 100% %(prop:x)s")
        );
        // What a check is called is nothing to be filled in again.
        assert_eq!(filled("%(prop:attr)s"), same("%(secret:key)s"));
        let (with, without) = filled("x%(secret:key)sy").unwrap();
        assert_eq!((&*with, &*without), ("xs3crety", "x%(secret:key)sy"));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for (text, why) in [
            ("%(prop:outpath)s", "there is no property `outpath`: attr,"),
            ("%(secret:other)s", "there is no secret `other`"),
            ("%(kw:x)s", "is neither"),
            ("%(prop:attr:-x)s", "there is no property"),
            ("%(prop:attr", "has no end"),
        ] {
            let error = filled(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secrets = HashMap::from([("key".to_owned(), "s3cret".into())]);
        let template = Template::parse("%(secret:key)s", &secrets).unwrap();
        assert!(!format!("{template:?}").contains("s3cret"));
    }
}

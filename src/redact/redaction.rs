//! The secrets that are hidden now, for whoever writes something.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Redactor, Secrets};

/// The secrets that are hidden now. Clones are the same.
#[derive(Clone)]
pub struct Redaction {
    inner: Arc<Inner>,
}

struct Inner {
    /// All that were ever told.
    told: Mutex<Vec<SecretString>>,
    secrets: RwLock<Arc<Secrets>>,
}

impl Default for Redaction {
    /// Hides what looks like a secret.
    fn default() -> Self {
        let inner = Inner {
            told: Mutex::default(),
            secrets: RwLock::new(Arc::new(Secrets::new([]))),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl Redaction {
    /// Hides these, too, from now on. Those of before stay hidden: one that was replaced may be good still, and what goes
    /// on may say it.
    pub fn add<'s>(&self, secrets: impl IntoIterator<Item = &'s SecretString>) {
        let mut told = self
            .inner
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            let is_known = |known: &SecretString| known.expose_secret() == secret.expose_secret();
            if !told.iter().any(is_known) {
                told.push(secret.clone());
            }
        }
        let secrets = Arc::new(Secrets::new(&*told));
        *self
            .inner
            .secrets
            .write()
            .unwrap_or_else(PoisonError::into_inner) = secrets;
    }

    /// What is hidden now.
    pub fn now(&self) -> Arc<Secrets> {
        let secrets = self.inner.secrets.read();
        Arc::clone(&secrets.unwrap_or_else(PoisonError::into_inner))
    }

    /// A text without its secrets.
    pub fn hide(&self, text: &str) -> String {
        self.now().hide(text).into_owned()
    }

    /// Takes secrets out of this text.
    pub fn clean(&self, text: &mut String) {
        if let std::borrow::Cow::Owned(shown) = self.now().hide(text) {
            *text = shown;
        }
    }

    /// Takes secrets out of a text that comes in pieces or line by line.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.now())
    }
}

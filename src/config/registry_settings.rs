//! Settings of the connection to a NiFi Registry become options of the store.

use std::time::Instant;

use super::{
    ConfigError, PASSWORD_VARIABLE, RegistrySettings, TOKEN_VARIABLE, secret_in, secret_of, wrong,
};
use crate::store::registry::{Credentials, RegistryOptions};

impl RegistrySettings {
    /// Combines the settings with the secrets.
    ///
    /// # Errors
    ///
    /// A message that names the setting that is missing or contradicts another one, or the file
    /// that cannot be read.
    pub fn options(
        self,
        url: &str,
        deadline: Option<Instant>,
    ) -> Result<RegistryOptions, ConfigError> {
        let credentials = self.credentials()?;
        let defaults = RegistryOptions::new(url);
        Ok(RegistryOptions {
            ca_file: self.ca_file,
            client_cert_file: self.client_cert_file,
            client_key_file: self.client_key_file,
            credentials,
            connect_timeout: self.connect_timeout.unwrap_or(defaults.connect_timeout),
            call_timeout: self.call_timeout.unwrap_or(defaults.call_timeout),
            deadline,
            retries: self.retries.unwrap_or(defaults.retries),
            ..defaults
        })
    }

    fn credentials(&self) -> Result<Credentials, ConfigError> {
        if let Some(path) = &self.token_file {
            return Ok(Credentials::Token(secret_in("--token-file", path)?));
        }
        if let Some(user) = self.user.clone() {
            let password = match &self.password_file {
                Some(path) => secret_in("--password-file", path)?,
                None => secret_of(PASSWORD_VARIABLE)?.ok_or_else(|| {
                    wrong(format!("--user needs --password-file or {PASSWORD_VARIABLE}"))
                })?,
            };
            return Ok(Credentials::Login { user, password });
        }
        if self.password_file.is_some() {
            return Err(wrong("--password-file needs --user"));
        }
        Ok(secret_of(TOKEN_VARIABLE)?.map_or(Credentials::None, Credentials::Token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn secrets_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let settings =
            RegistrySettings { token_file: Some(file.clone()), ..RegistrySettings::default() };
        let options = || settings.clone().options("https://host", None);
        let missing = options().unwrap_err().to_string();
        assert!(
            missing.starts_with("--token-file ") && missing.contains("No such file"),
            "{missing}"
        );
        std::fs::write(&file, " \n").unwrap();
        assert!(options().unwrap_err().to_string().ends_with("it is empty"));
        std::fs::write(&file, "abc\n").unwrap();
        assert_eq!(options().unwrap().credentials, Credentials::Token(Secret::new("abc")));
        let settings =
            RegistrySettings { password_file: Some(file.clone()), ..RegistrySettings::default() };
        assert!(settings.clone().options("https://host", None).is_err());
        let settings = RegistrySettings { user: Some("ann".into()), ..settings };
        let expected = Credentials::Login { user: "ann".into(), password: Secret::new("abc") };
        assert_eq!(settings.options("https://host", None).unwrap().credentials, expected);
    }
}

//! Which credentials a store uses, in which order.
//!
//! Keys of the user mapping; else its, or the server's, credentials file or profile; else, only
//! where ambient credentials are allowed: environment, shared profile, web identity, container and,
//! if the server says so, instance metadata. What the options name is used alone: if it does not
//! work that is an error, never a reason to try the server account's own credentials.

use super::server_options::{MappingOptions, ServerOptions};
use std::fmt;
use std::path::PathBuf;

/// One place to look for credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// Keys that the options or the environment hold.
    Keys {
        access_key_id: String,
        secret_access_key: String,
        session_token: Option<String>,
    },
    /// A profile in one file, or in the usual files of the server's account.
    Profile {
        name: Option<String>,
        file: Option<PathBuf>,
    },
    /// A token in a file, exchanged for credentials of a role.
    WebIdentity {
        token_file: PathBuf,
        role_arn: String,
        session_name: String,
    },
    /// The credentials endpoint of a container.
    Container,
    /// The instance metadata service.
    InstanceMetadata,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Keys { .. } => f.write_str("Keys"),
            Source::Profile { name, file } => write!(f, "Profile({name:?}, {file:?})"),
            Source::WebIdentity { .. } => f.write_str("WebIdentity"),
            Source::Container => f.write_str("Container"),
            Source::InstanceMetadata => f.write_str("InstanceMetadata"),
        }
    }
}

/// The sources to try, first to last. `environment` reads one variable of the server process.
#[must_use]
pub fn sources(
    server: &ServerOptions,
    mapping: &MappingOptions,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Vec<Source> {
    if let (Some(id), Some(secret)) = (&mapping.access_key_id, &mapping.secret_access_key) {
        return vec![Source::Keys {
            access_key_id: id.clone(),
            secret_access_key: secret.clone(),
            session_token: mapping.session_token.clone(),
        }];
    }
    for (name, file) in [
        (&mapping.profile, &mapping.credentials_file),
        (&server.profile, &server.credentials_file),
    ] {
        if name.is_some() || file.is_some() {
            return vec![Source::Profile {
                name: name.clone(),
                file: file.clone(),
            }];
        }
    }
    if !server.ambient(false) {
        return Vec::new();
    }
    let read = |name: &str| environment(name).filter(|value| !value.is_empty());
    let mut sources = Vec::new();
    let keys = (read("AWS_ACCESS_KEY_ID"), read("AWS_SECRET_ACCESS_KEY"));
    if let (Some(access_key_id), Some(secret_access_key)) = keys {
        sources.push(Source::Keys {
            access_key_id,
            secret_access_key,
            session_token: read("AWS_SESSION_TOKEN"),
        });
    }
    sources.push(Source::Profile {
        name: None,
        file: None,
    });
    let token = (read("AWS_WEB_IDENTITY_TOKEN_FILE"), read("AWS_ROLE_ARN"));
    if let (Some(token_file), Some(role_arn)) = token {
        sources.push(Source::WebIdentity {
            token_file: token_file.into(),
            role_arn,
            session_name: read("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "pg_strata".to_owned()),
        });
    }
    sources.push(Source::Container);
    if server.instance_metadata {
        sources.push(Source::InstanceMetadata);
    }
    sources
}

#[cfg(feature = "s3")]
pub use provider::provider;

#[cfg(feature = "s3")]
mod provider {
    use super::Source;
    use aws_config::ecs::EcsCredentialsProvider;
    use aws_config::imds;
    use aws_config::meta::credentials::CredentialsProviderChain;
    use aws_config::profile::ProfileFileCredentialsProvider;
    #[allow(deprecated)] // the new home of these names is a crate that we do not depend on
    use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
    use aws_config::provider_config::ProviderConfig;
    use aws_config::web_identity_token::{
        StaticConfiguration, WebIdentityTokenCredentialsProvider,
    };
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
    use aws_sdk_s3::config::Credentials;
    use std::path::PathBuf;
    use std::time::Duration;

    /// Asks the sources in turn. Nothing is read or sent before the first request needs it; after
    /// that the client keeps the credentials until they expire.
    pub fn provider(sources: &[Source], config: &ProviderConfig) -> SharedCredentialsProvider {
        let metadata = sources.contains(&Source::InstanceMetadata);
        let ambient = sources.contains(&Source::Container);
        let mut chain: Option<CredentialsProviderChain> = None;
        for source in sources {
            let (name, one) = one(source, config, ambient, metadata);
            chain = Some(match chain {
                None => CredentialsProviderChain::first_try(name, one),
                Some(chain) => chain.or_else(name, one),
            });
        }
        match chain {
            Some(chain) => SharedCredentialsProvider::new(chain),
            None => SharedCredentialsProvider::new(Refused(
                "the user mapping has no keys, and the server's own credentials may not be used",
            )),
        }
    }

    fn one(
        source: &Source,
        config: &ProviderConfig,
        ambient: bool,
        metadata: bool,
    ) -> (&'static str, SharedCredentialsProvider) {
        match source {
            Source::Keys {
                access_key_id,
                secret_access_key,
                session_token,
            } => {
                let keys = Credentials::new(
                    access_key_id,
                    secret_access_key,
                    session_token.clone(),
                    None,
                    "pg_strata",
                );
                ("keys", SharedCredentialsProvider::new(keys))
            }
            Source::Profile { name, file } => {
                let profile = profile(name.as_ref(), file.as_ref(), config, ambient, metadata);
                ("profile", SharedCredentialsProvider::new(profile))
            }
            Source::WebIdentity {
                token_file,
                role_arn,
                session_name,
            } => {
                let fixed = StaticConfiguration {
                    web_identity_token_file: token_file.clone(),
                    role_arn: role_arn.clone(),
                    session_name: session_name.clone(),
                };
                let identity = WebIdentityTokenCredentialsProvider::builder()
                    .configure(config)
                    .static_configuration(fixed)
                    .build();
                ("web identity", SharedCredentialsProvider::new(identity))
            }
            Source::Container => {
                let container = EcsCredentialsProvider::builder().configure(config).build();
                ("container", SharedCredentialsProvider::new(container))
            }
            Source::InstanceMetadata => ("instance metadata", instance_metadata(config)),
        }
    }

    #[allow(deprecated)] // as above
    fn profile(
        name: Option<&String>,
        file: Option<&PathBuf>,
        config: &ProviderConfig,
        ambient: bool,
        metadata: bool,
    ) -> ProfileFileCredentialsProvider {
        let mut builder = ProfileFileCredentialsProvider::builder().configure(config);
        if let Some(name) = name {
            builder = builder.profile_name(name);
        }
        if let Some(file) = file {
            // only this file; the profile to use is the one named, whatever AWS_PROFILE says
            let files = ProfileFiles::builder().with_file(ProfileFileKind::Credentials, file);
            builder = builder.profile_files(files.build());
            if name.is_none() {
                builder = builder.profile_name("default");
            }
        }
        // a profile may refer to other sources: not to those that the server's options exclude
        if !metadata {
            builder = builder.with_custom_provider(
                "Ec2InstanceMetadata",
                Refused("instance metadata is not enabled for this server"),
            );
        }
        if !ambient {
            let why = "the server's own credentials may not be used";
            builder = builder.with_custom_provider("Environment", Refused(why));
            builder = builder.with_custom_provider("EcsContainer", Refused(why));
        }
        builder.build()
    }

    /// One attempt of one second: a query must never hang here.
    fn instance_metadata(config: &ProviderConfig) -> SharedCredentialsProvider {
        let second = Duration::from_secs(1);
        let client = imds::Client::builder()
            .configure(config)
            .max_attempts(1)
            .connect_timeout(second)
            .read_timeout(second)
            .operation_timeout(second)
            .operation_attempt_timeout(second)
            .build();
        let provider = imds::credentials::ImdsCredentialsProvider::builder()
            .configure(config)
            .imds_client(client)
            .build();
        SharedCredentialsProvider::new(provider)
    }

    /// Stands where a source must not be used.
    #[derive(Debug)]
    struct Refused(&'static str);

    impl ProvideCredentials for Refused {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::invalid_configuration(self.0)))
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::cold::server_options::{parse_mapping, parse_server};

    fn own(options: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        options.iter().map(owned).collect()
    }

    fn shown(server: &[(&str, &str)], mapping: &[(&str, &str)], env: &[(&str, &str)]) -> String {
        let mut all = vec![("location", "s3://bucket")];
        all.extend(server);
        let server = parse_server(&own(&all)).expect("valid");
        let mapping = parse_mapping(&own(mapping)).expect("valid");
        let env = own(env);
        let read = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        format!("{:?}", sources(&server, &mapping, &read))
    }

    const ENV: &[(&str, &str)] = &[
        ("AWS_ACCESS_KEY_ID", "hush"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_ROLE_ARN", "arn"),
    ];

    #[test]
    fn what_the_options_name_is_used_alone() {
        let keys = [("access_key_id", "hush"), ("secret_access_key", "hush")];
        let ambient = [("ambient_credentials", "true"), ("profile", "of_server")];
        assert_eq!(shown(&ambient, &keys, ENV), "[Keys]");
        assert_eq!(
            shown(&ambient, &[("credentials_file", "/f")], ENV),
            "[Profile(None, Some(\"/f\"))]"
        );
        assert_eq!(
            shown(&ambient, &[], ENV),
            "[Profile(Some(\"of_server\"), None)]"
        );
    }

    #[test]
    fn the_servers_own_credentials_only_where_allowed() {
        assert_eq!(shown(&[], &[], ENV), "[]");
        assert_eq!(shown(&[("instance_metadata", "true")], &[], ENV), "[]");
        assert_eq!(
            shown(&[("ambient_credentials", "true")], &[], ENV),
            "[Keys, Profile(None, None), WebIdentity, Container]"
        );
        let all = [
            ("ambient_credentials", "true"),
            ("instance_metadata", "true"),
        ];
        assert_eq!(
            shown(&all, &[], &[("AWS_ACCESS_KEY_ID", "")]),
            "[Profile(None, None), Container, InstanceMetadata]"
        );
    }
}

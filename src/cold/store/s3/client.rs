//! From options to a client: addresses, trust, time-outs, credentials.

use crate::cold::credentials;
use crate::cold::server_options::{MappingOptions, ServerOptions};
use crate::error::{Error, Kind, Result};
use aws_config::provider_config::ProviderConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, ConfigBag, Intercept, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, RuntimeComponents, SharedHttpClient, SharedInterceptor,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::BoxError;
use aws_smithy_http_client::{Builder, tls};

/// Every request says that its sender pays; the header is signed like the others.
#[derive(Debug)]
struct RequesterPays;

impl Intercept for RequesterPays {
    fn name(&self) -> &'static str {
        "RequesterPays"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        headers.insert("x-amz-request-payer", "requester");
        Ok(())
    }
}

/// The SDK's client for one set of options; sends nothing.
pub(super) fn client(
    options: &ServerOptions,
    mapping: &MappingOptions,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Client> {
    let region = match &options.region {
        Some(region) => region.clone(),
        None if options.ambient(false) => ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .iter()
            .find_map(|name| environment(name).filter(|value| !value.is_empty()))
            .unwrap_or_else(|| "us-east-1".to_owned()),
        None => "us-east-1".to_owned(),
    };
    let region = Region::new(region);
    let http = http_client(options)?;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect_timeout)
        .build();
    let providers = ProviderConfig::without_region()
        .with_region(Some(region.clone()))
        .with_http_client(http.clone())
        .with_timeout_config(timeouts.clone());
    let sources = credentials::sources(options, mapping, environment);
    let mut config = aws_sdk_s3::Config::builder();
    config.set_endpoint_url(options.endpoint.clone());
    if options.requester_pays {
        config.push_interceptor(SharedInterceptor::new(RequesterPays));
    }
    let config = config
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .force_path_style(options.path_style)
        .http_client(http)
        .credentials_provider(credentials::provider(&sources, &providers))
        // repetitions, their limits and the meaning of a second answer are ours (failure.rs)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // the signature covers the content; trailers are unknown to many stores
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    Ok(Client::from_conf(config))
}

fn http_client(options: &ServerOptions) -> Result<SharedHttpClient> {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let builder = Builder::new()
        .pool_max_idle_per_host(options.max_connections as usize)
        .tls_provider(ring);
    let Some(path) = &options.ca_file else {
        return Ok(builder.build_https());
    };
    let refuse = |why: String| {
        let message = format!("ca_file \"{}\": {why}", path.display());
        Error::new(Kind::InvalidParameter, message)
    };
    let pem = std::fs::read(path).map_err(|e| refuse(e.to_string()))?;
    // the client takes it unseen and would panic at its first use
    if !pem.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----") {
        return Err(refuse("no certificate in it".to_owned()));
    }
    let trust = tls::TrustStore::empty().with_pem_certificate(pem);
    let context = tls::TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|e| refuse(e.to_string()))?;
    Ok(builder.tls_context(context).build_https())
}

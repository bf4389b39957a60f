//! An S3 bucket as a store: every request runs on the I/O thread, the backend only waits.

mod failure;
mod request;
#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod tests;
mod upload;

use super::{Host, Meta, ObjectStore, RangeRead, StoreError, StoreResult, check_key};
use crate::cold::cache::{BlockCache, CachedFile};
use crate::cold::credentials;
use crate::cold::io_thread;
use crate::cold::server_options::{Location, MappingOptions, ServerOptions};
use crate::error::{Error, Kind, Result};
use aws_config::provider_config::ProviderConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::{Builder, tls};
use std::cell::RefCell;
use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    static BLOCKS: Rc<RefCell<BlockCache>> = Rc::default();
}

/// Forgets the cached blocks of this backend.
pub fn reset_cache() {
    BLOCKS.with(|blocks| blocks.borrow_mut().clear());
}

/// What requests need; shared with the I/O thread.
struct Remote {
    client: Client,
    bucket: String,
    /// Empty, or ends in a slash.
    prefix: String,
    patience: failure::Patience,
    max_connections: usize,
    sizes: upload::Sizes,
    storage_class: Option<String>,
    sse: Option<String>,
    kms_key_id: Option<String>,
}

impl Remote {
    /// The name in the bucket.
    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

/// A bucket and a prefix, with the credentials to use.
pub struct S3 {
    remote: Arc<Remote>,
    host: Host,
    /// Cached blocks belong to one store: what one set of credentials has read is not shown to
    /// another.
    number: u64,
}

impl S3 {
    /// Sends nothing yet. `environment` reads one variable of the server process.
    pub fn new(
        options: &ServerOptions,
        mapping: &MappingOptions,
        environment: &dyn Fn(&str) -> Option<String>,
        host: Host,
    ) -> Result<S3> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let Location::S3 { bucket, prefix } = &options.location else {
            return Err(Error::internal("this location is no bucket"));
        };
        let client = client(options, mapping, environment)?;
        let prefix = match prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Ok(S3 {
            remote: Arc::new(Remote {
                client,
                bucket: bucket.clone(),
                prefix,
                patience: failure::Patience {
                    request_timeout: options.request_timeout,
                    max_retries: options.max_retries,
                },
                max_connections: options.max_connections as usize,
                sizes: upload::Sizes::of(environment),
                storage_class: options.storage_class.clone(),
                sse: options.sse.clone(),
                kms_key_id: options.kms_key_id.clone(),
            }),
            host,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
        })
    }

    fn call<T, F, Fut>(&self, make: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Remote>) -> Fut + Send + 'static,
        Fut: Future<Output = StoreResult<T>> + 'static,
    {
        let remote = Arc::clone(&self.remote);
        io_thread::run(&self.host, move || make(remote))
            .map_err(|e| StoreError::Io(e.to_string()))?
    }

    fn get(&self, range: request::Range) -> StoreResult<Vec<u8>> {
        self.call(move |remote| async move { request::get(&remote, &range).await })
    }
}

impl ObjectStore for S3 {
    fn head(&self, key: &str) -> StoreResult<Meta> {
        check_key(key)?;
        let key = key.to_owned();
        self.call(move |remote| async move { request::head(&remote, &key).await })
    }

    fn get_range(&self, key: &str, etag: &str, start: u64, len: u64) -> StoreResult<Vec<u8>> {
        check_key(key)?;
        self.get(request::Range {
            key: key.to_owned(),
            etag: etag.to_owned(),
            start,
            len,
            total: None,
        })
    }

    fn put_if_absent(
        &self,
        key: &str,
        file: &Path,
        sha256: &str,
        meta: &[(&str, String)],
        begun: &mut dyn FnMut(&str) -> StoreResult<()>,
    ) -> StoreResult<Meta> {
        check_key(key)?;
        let upload = Arc::new(upload::Upload {
            key: key.to_owned(),
            file: file.to_owned(),
            sha256: sha256.to_owned(),
            meta: upload::metadata(sha256, meta),
        });
        let prepared = Arc::clone(&upload);
        let id = self.call(move |remote| async move { upload::begin(&remote, &prepared).await })?;
        if let Some(id) = &id
            && let Err(e) = begun(id)
        {
            // nobody would know of it later
            let _ = self.abort_upload(key, id);
            return Err(e);
        }
        self.call(move |remote| async move { upload::put(&remote, &upload, id).await })
    }

    fn abort_upload(&self, key: &str, upload_id: &str) -> StoreResult<()> {
        check_key(key)?;
        let (key, id) = (key.to_owned(), upload_id.to_owned());
        self.call(move |remote| async move { upload::abort(&remote, &key, &id).await })
    }

    fn delete(&self, key: &str) -> StoreResult<()> {
        check_key(key)?;
        let key = key.to_owned();
        self.call(move |remote| async move { request::delete(&remote, &key).await })
    }

    fn list(&self, prefix: &str) -> StoreResult<Vec<String>> {
        let prefix = prefix.to_owned();
        self.call(move |remote| async move { request::list(&remote, &prefix).await })
    }

    fn open(self: Rc<Self>, key: &str, etag: &str, size: u64) -> StoreResult<Box<dyn RangeRead>> {
        check_key(key)?;
        let id: Rc<str> = format!("{}:{key}@{etag}", self.number).into();
        let (key, etag, budget) = (key.to_owned(), etag.to_owned(), self.host.cache_bytes);
        let fetch = move |start, len| {
            self.get(request::Range {
                key: key.clone(),
                etag: etag.clone(),
                start,
                len,
                total: Some(size),
            })
        };
        let blocks = BLOCKS.with(Rc::clone);
        Ok(Box::new(CachedFile::new(id, size, blocks, budget, fetch)))
    }
}

fn client(
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

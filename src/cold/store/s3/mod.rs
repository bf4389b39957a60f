//! An S3 bucket as a store: every request runs on the I/O thread, the backend only waits.

mod client;
mod failure;
mod request;
#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod tests;
mod upkeep;
mod upload;

use super::{Host, Meta, ObjectStore, RangeRead, StoreError, StoreResult, check_key};
use crate::cold::blocks::BlockCache;
use crate::cold::cache::{CachedFile, Fetch, InFlight};
use crate::cold::facts::FileFacts;
use crate::cold::io_thread;
use crate::cold::name::hex;
use crate::cold::server_options::{Location, MappingOptions, ServerOptions};
use crate::error::{Error, Result};
use aws_sdk_s3::Client;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

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
    /// One for each range that may be under way.
    permits: Semaphore,
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
    /// The same across processes: a hash of location and credentials.
    identity: String,
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
        let client = client::client(options, mapping, environment)?;
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
                permits: Semaphore::new(options.max_connections as usize),
                sizes: upload::Sizes::of(environment),
                storage_class: options.storage_class.clone(),
                sse: options.sse.clone(),
                kms_key_id: options.kms_key_id.clone(),
            }),
            host,
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            identity: identity(options, mapping),
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
            meta: request::metadata(sha256, meta),
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

    fn open_known(
        self: Rc<Self>,
        key: &str,
        etag: &str,
        size: u64,
        facts: Rc<FileFacts>,
    ) -> StoreResult<Box<dyn RangeRead>> {
        check_key(key)?;
        let id: Rc<str> = format!("{}:{key}@{etag}", self.number).into();
        let limits = self.host.limits;
        let object = Object {
            disk_id: hash(&[&self.identity, key, etag]),
            key: key.to_owned(),
            etag: etag.to_owned(),
            size,
            store: self,
        };
        let blocks = BLOCKS.with(Rc::clone);
        Ok(Box::new(CachedFile::new(
            id,
            key.into(),
            size,
            facts,
            blocks,
            limits,
            object,
        )))
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// One object that is read.
struct Object {
    store: Rc<S3>,
    key: String,
    etag: String,
    size: u64,
    disk_id: String,
}

impl Fetch for Object {
    fn near(&self, block: u64) -> Option<Vec<u8>> {
        (self.store.host.limits.disk)()?.get(&self.disk_id, block)
    }

    fn keep(&self, block: u64, data: &[u8]) {
        if let Some(disk) = (self.store.host.limits.disk)() {
            disk.put(&self.disk_id, block, data);
        }
    }

    fn begin(&self, start: u64, len: u64) -> StoreResult<Box<dyn InFlight>> {
        let range = request::Range {
            key: self.key.clone(),
            etag: self.etag.clone(),
            start,
            len,
            total: Some(self.size),
        };
        let remote = Arc::clone(&self.store.remote);
        let host = self.store.host;
        let pending =
            io_thread::begin(
                &host,
                move || async move { request::get(&remote, &range).await },
            );
        let pending = pending.map_err(|e| StoreError::Io(e.to_string()))?;
        Ok(Box::new(Asked { pending, host }))
    }
}

/// A range on its way.
struct Asked {
    pending: io_thread::Pending<StoreResult<Vec<u8>>>,
    host: Host,
}

impl InFlight for Asked {
    fn poll(&mut self) -> Option<StoreResult<Vec<u8>>> {
        let answer = self.pending.poll()?;
        Some(answer.unwrap_or_else(|e| Err(StoreError::Io(e.to_string()))))
    }

    fn wait(self: Box<Self>) -> StoreResult<Vec<u8>> {
        let answer = self.pending.wait(&self.host);
        answer.unwrap_or_else(|e| Err(StoreError::Io(e.to_string())))
    }
}

/// What one set of credentials has read is not shown to another, nor across stores.
fn identity(options: &ServerOptions, mapping: &MappingOptions) -> String {
    let Location::S3 { bucket, prefix } = &options.location else {
        return String::new();
    };
    let path = |file: &Option<PathBuf>| file.as_ref().map(|f| f.to_string_lossy().into_owned());
    hash(&[
        options.endpoint.as_deref().unwrap_or_default(),
        options.region.as_deref().unwrap_or_default(),
        bucket,
        prefix,
        mapping.access_key_id.as_deref().unwrap_or_default(),
        mapping.secret_access_key.as_deref().unwrap_or_default(),
        mapping.session_token.as_deref().unwrap_or_default(),
        mapping.profile.as_deref().unwrap_or_default(),
        &path(&mapping.credentials_file).unwrap_or_default(),
        options.profile.as_deref().unwrap_or_default(),
        &path(&options.credentials_file).unwrap_or_default(),
        if options.ambient(false) {
            "ambient"
        } else {
            ""
        },
        if options.instance_metadata {
            "instance"
        } else {
            ""
        },
    ])
}

/// A name for these texts together, fit for a file.
fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

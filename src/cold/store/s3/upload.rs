//! Writing one object under a free name.
//!
//! A condition on the write (`If-None-Match: *`) is the guard; a HEAD before it covers stores that
//! ignore the condition. When the answer is lost, size and sha256 of what lies there decide.

use super::failure::{Again, Failure, failure, plain, retry};
use super::{Remote, request};
use crate::cold::store::{Meta, StoreError, StoreResult};
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, ServerSideEncryption, StorageClass,
};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Sizes of requests, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Larger files go up in parts.
    pub single_max: u64,
    /// Smallest part; larger where a file would need more parts than stores allow (10000).
    pub part: u64,
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes {
            single_max: 64 << 20,
            part: 16 << 20,
        }
    }
}

impl Sizes {
    /// Tests of the whole extension have small files, and want them in parts.
    #[cfg(feature = "inject")]
    pub fn of(environment: &dyn Fn(&str) -> Option<String>) -> Sizes {
        let bytes = environment("STRATA_TEST_PART_BYTES").and_then(|n| n.parse().ok());
        bytes.map_or_else(Sizes::default, |n| Sizes {
            single_max: n,
            part: n,
        })
    }

    #[cfg(not(feature = "inject"))]
    pub fn of(_: &dyn Fn(&str) -> Option<String>) -> Sizes {
        Sizes::default()
    }
}

/// What to write.
pub(super) struct Upload {
    pub key: String,
    pub file: PathBuf,
    pub sha256: String,
    pub meta: HashMap<String, String>,
}

fn open(upload: &Upload) -> StoreResult<(File, u64)> {
    let broken = |e: std::io::Error| StoreError::Io(format!("cannot read the file to store: {e}"));
    let file = File::open(&upload.file).map_err(broken)?;
    let size = file.metadata().map_err(broken)?.len();
    Ok((file, size))
}

/// `Exists` if the name is taken. For a file that goes up in parts, the id of the upload.
pub(super) async fn begin(remote: &Remote, upload: &Upload) -> StoreResult<Option<String>> {
    let (_, size) = open(upload)?;
    match request::head(remote, &upload.key).await {
        Ok(_) => return Err(StoreError::Exists),
        // without the right to list, a missing object is answered with 403
        Err(StoreError::Missing | StoreError::Forbidden(_)) => {}
        Err(e) => return Err(e),
    }
    if size <= remote.sizes.single_max {
        return Ok(None);
    }
    let create = async || create(remote, upload).await;
    let begun = plain(retry(remote.patience, 0, &upload.key, create).await)?;
    match begun.upload_id() {
        Some(id) if !id.is_empty() => Ok(Some(id.to_owned())),
        _ => Err(StoreError::Protocol(format!(
            "\"{}\": the store began an upload without an id",
            upload.key
        ))),
    }
}

/// Writes the object, in parts if an upload was begun; `Exists` if the name is taken by anything else than this
/// content.
pub(super) async fn put(
    remote: &Arc<Remote>,
    upload: &Arc<Upload>,
    id: Option<String>,
) -> StoreResult<Meta> {
    let (file, size) = open(upload)?;
    let sent = match id {
        Some(id) => {
            let open = Open {
                remote: Arc::clone(remote),
                key: upload.key.clone(),
                id: Some(id.clone()),
            };
            let sent = parts(remote, upload, Rc::new(file), size, &id).await;
            // what has failed is aborted by whoever was told the id, and only once: a second abort beside the
            // first is an error to some stores
            open.done();
            sent
        }
        None => whole(remote, upload, &file, size).await,
    };
    match sent {
        Ok(()) => {
            let found = request::head(remote, &upload.key).await?;
            if is_ours(&found, size, &upload.sha256) {
                return Ok(found);
            }
            let why = format!("\"{}\" differs from what was written", upload.key);
            Err(StoreError::Protocol(why))
        }
        Err(failure) => settle(remote, upload, size, failure).await,
    }
}

/// Ends an upload in parts that nobody goes on with; one that is gone or complete is fine.
pub(super) async fn abort(remote: &Remote, key: &str, id: &str) -> StoreResult<()> {
    let attempt = async || {
        let request = remote.client.abort_multipart_upload();
        let request = request
            .bucket(&remote.bucket)
            .key(remote.name(key))
            .upload_id(id);
        match request.send().await.map_err(|e| failure(key, &e)) {
            Err(e) if e.error == StoreError::Missing => Ok(()),
            other => other.map(|_| ()),
        }
    };
    plain(retry(remote.patience, 0, key, attempt).await)
}

/// The write failed, or nobody knows: look at what lies there.
async fn settle(
    remote: &Remote,
    upload: &Upload,
    size: u64,
    failure: Failure,
) -> StoreResult<Meta> {
    let taken = failure.status == Some(412);
    if !taken && !failure.unknown_outcome() {
        return Err(failure.error);
    }
    match request::head(remote, &upload.key).await {
        // the name was free a moment ago, so this is the attempt whose answer was lost
        Ok(found) if found.sha256.is_some() && is_ours(&found, size, &upload.sha256) => Ok(found),
        Ok(_) => Err(StoreError::Exists),
        Err(_) if taken => Err(StoreError::Exists),
        Err(_) => Err(failure.error),
    }
}

/// Stores that drop metadata exist; after a confirmed write the size is enough for them.
fn is_ours(found: &Meta, size: u64, sha256: &str) -> bool {
    found.size == size && found.sha256.as_deref().is_none_or(|hash| hash == sha256)
}

async fn whole(remote: &Remote, upload: &Upload, file: &File, size: u64) -> Result<(), Failure> {
    let bytes = bytes::Bytes::from(read(file, 0, size)?);
    let (mut guarded, mut unsure) = (true, false);
    let attempt = async || {
        if unsure && let Some(end) = written_before(remote, upload, size).await {
            return end;
        }
        unsure = true;
        let request = remote
            .client
            .put_object()
            .bucket(&remote.bucket)
            .key(remote.name(&upload.key))
            .content_type("application/vnd.sqlite3")
            .set_if_none_match(guarded.then(|| "*".to_owned()))
            .set_metadata(Some(upload.meta.clone()))
            .set_storage_class(storage_class(remote))
            .set_server_side_encryption(encryption(remote))
            .set_ssekms_key_id(remote.kms_key_id.clone())
            .body(ByteStream::from(bytes.clone()));
        let answer = request.send().await.map_err(|e| failure(&upload.key, &e));
        answer.map(|_| ()).map_err(|e| {
            unsure = e.unknown_outcome();
            unguard(e, &mut guarded)
        })
    };
    retry(remote.patience, size, &upload.key, attempt).await
}

/// What an attempt without an answer wrote is not written again, though the store might let us. `None`: the name
/// is still free.
async fn written_before(
    remote: &Remote,
    upload: &Upload,
    size: u64,
) -> Option<Result<(), Failure>> {
    match request::head_once(remote, &upload.key).await {
        Ok(found) if found.sha256.is_some() && is_ours(&found, size, &upload.sha256) => {
            Some(Ok(()))
        }
        Ok(_) => Some(Err(Failure::final_(StoreError::Exists))),
        Err(e) if matches!(e.error, StoreError::Missing | StoreError::Forbidden(_)) => None,
        Err(e) => Some(Err(e)),
    }
}

/// Stores that do not know conditional writes say so: the HEAD before was the guard then.
pub(super) fn unguard(failure: Failure, guarded: &mut bool) -> Failure {
    if failure.status == Some(501) && *guarded {
        *guarded = false;
        return Failure {
            again: Again::Yes,
            ..failure
        };
    }
    failure
}

async fn parts(
    remote: &Arc<Remote>,
    upload: &Arc<Upload>,
    file: Rc<File>,
    size: u64,
    id: &str,
) -> Result<(), Failure> {
    let parts = send_parts(remote, upload, file, size, id).await?;
    let (mut guarded, mut attempts) = (true, 0);
    let finish = async || {
        attempts += 1;
        let all = CompletedMultipartUpload::builder().set_parts(Some(parts.clone()));
        let request = remote
            .client
            .complete_multipart_upload()
            .bucket(&remote.bucket)
            .key(remote.name(&upload.key))
            .upload_id(id)
            .set_if_none_match(guarded.then(|| "*".to_owned()))
            .multipart_upload(all.build());
        let answer = request.send().await.map_err(|e| failure(&upload.key, &e));
        answer.map(|_| ()).map_err(|e| unguard(e, &mut guarded))
    };
    match retry(remote.patience, size, &upload.key, finish).await {
        // a repeated completion may find no upload any more, and stores say that in many ways: what lies there
        // decides
        Err(e) if attempts > 1 || e.error == StoreError::Missing => Err(Failure {
            again: Again::Yes,
            ..e
        }),
        other => other,
    }
}

async fn create(remote: &Remote, upload: &Upload) -> Result<CreateMultipartUploadOutput, Failure> {
    let request = remote
        .client
        .create_multipart_upload()
        .bucket(&remote.bucket)
        .key(remote.name(&upload.key))
        .content_type("application/vnd.sqlite3")
        .set_metadata(Some(upload.meta.clone()))
        .set_storage_class(storage_class(remote))
        .set_server_side_encryption(encryption(remote))
        .set_ssekms_key_id(remote.kms_key_id.clone());
    request.send().await.map_err(|e| failure(&upload.key, &e))
}

/// A few parts at a time; the first failure drops the others.
async fn send_parts(
    remote: &Arc<Remote>,
    upload: &Arc<Upload>,
    file: Rc<File>,
    size: u64,
    id: &str,
) -> Result<Vec<CompletedPart>, Failure> {
    let part_size = remote.sizes.part.max(size.div_ceil(9000));
    let count = i32::try_from(size.div_ceil(part_size)).unwrap_or(i32::MAX);
    let mut running = JoinSet::new();
    let mut parts = Vec::new();
    for number in 1..=count {
        if running.len() >= remote.max_connections {
            parts.extend(joined(running.join_next().await)?);
        }
        let start = (i64::from(number) - 1).unsigned_abs() * part_size;
        let bytes = read(&file, start, part_size.min(size - start))?;
        let (remote, upload, id) = (Arc::clone(remote), Arc::clone(upload), id.to_owned());
        running.spawn_local(async move {
            send_part(&remote, &upload.key, &id, number, bytes::Bytes::from(bytes)).await
        });
    }
    while !running.is_empty() {
        parts.extend(joined(running.join_next().await)?);
    }
    parts.sort_by_key(CompletedPart::part_number);
    Ok(parts)
}

type Joined = Option<Result<Result<CompletedPart, Failure>, tokio::task::JoinError>>;

fn joined(part: Joined) -> Result<Option<CompletedPart>, Failure> {
    match part {
        None => Ok(None),
        Some(Ok(part)) => part.map(Some),
        Some(Err(_)) => Err(Failure::final_(StoreError::Io(
            "internal error while a part was sent".into(),
        ))),
    }
}

async fn send_part(
    remote: &Remote,
    key: &str,
    id: &str,
    number: i32,
    bytes: bytes::Bytes,
) -> Result<CompletedPart, Failure> {
    let attempt = async || {
        let request = remote
            .client
            .upload_part()
            .bucket(&remote.bucket)
            .key(remote.name(key))
            .upload_id(id)
            .part_number(number)
            .body(ByteStream::from(bytes.clone()));
        let answer = request.send().await.map_err(|e| failure(key, &e))?;
        let part = CompletedPart::builder().part_number(number);
        Ok(part.set_e_tag(answer.e_tag().map(str::to_owned)).build())
    };
    // parts share the line
    let bytes = bytes.len() as u64 * remote.max_connections as u64;
    retry(remote.patience, bytes, key, attempt).await
}

/// An upload in parts that is on its way. Dropped by a cancel it is aborted: the parts would be paid for and never
/// seen.
struct Open {
    remote: Arc<Remote>,
    key: String,
    id: Option<String>,
}

impl Open {
    fn done(mut self) {
        self.id = None;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let (remote, name) = (Arc::clone(&self.remote), self.remote.name(&self.key));
        // best effort: buckets should also expire incomplete uploads
        drop(tokio::task::spawn_local(async move {
            let request = remote.client.abort_multipart_upload();
            let request = request.bucket(&remote.bucket).key(name).upload_id(id);
            let _ = tokio::time::timeout(remote.patience.request_timeout, request.send()).await;
        }));
    }
}

fn read(file: &File, start: u64, len: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_exact_at(&mut bytes, start)
        .map_err(|e| StoreError::Io(format!("cannot read the file to store: {e}")))?;
    Ok(bytes)
}

fn storage_class(remote: &Remote) -> Option<StorageClass> {
    remote.storage_class.as_deref().map(StorageClass::from)
}

pub(super) fn encryption(remote: &Remote) -> Option<ServerSideEncryption> {
    remote.sse.as_deref().map(ServerSideEncryption::from)
}

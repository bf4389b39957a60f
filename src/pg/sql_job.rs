//! SQL jobs: the form in which one lies in a queue, and one run of its command with its arguments.

use super::bgworker::contain;
use super::call::Value;
use super::owner::as_extension_owner;
use super::subxact::Caught;
use super::{sql_command, toplevel};
use crate::error::{Error, Result};
use pgrx::memcxt::PgMemoryContexts;
use pgrx::{IntoDatum, pg_guard, pg_sys};
use std::ffi::{CStr, CString};
use std::mem::offset_of;

/// What is to be run.
pub struct SqlJob {
    pub command: String,
    /// jsonb
    pub payload: Option<Value>,
    /// 0: no limit
    pub timeout_ms: i64,
    /// in one transaction with the end of the job; otherwise a statement that may commit
    pub atomic: bool,
}

/// Memory of one job, which outlives its transactions.
pub struct Memory(PgMemoryContexts);

impl Memory {
    #[must_use]
    pub fn new() -> Memory {
        Memory(PgMemoryContexts::new("pg_strata SQL job"))
    }

    fn within<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // SAFETY: the context lives as long as `self`; the old one is back afterwards, also after an error
        unsafe { self.0.switch_to(|_| work()) }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

const PACK: &CStr = c"SELECT jsonb_build_object('command', $1::text) \
    || CASE WHEN $2::jsonb IS NULL THEN '{}' ELSE jsonb_build_object('payload', $2) END \
    || CASE WHEN $3::int8 = 0 THEN '{}' ELSE jsonb_build_object('timeout_ms', $3) END \
    || CASE WHEN $4::bool THEN '{}' ELSE jsonb_build_object('atomic', false) END";
const SWAP: &CStr = c"SELECT ($1::jsonb - 'payload') \
    || CASE WHEN $2::jsonb IS NULL THEN '{}' ELSE jsonb_build_object('payload', $2) END";
const UNPACK: &CStr =
    c"SELECT $1::jsonb ->> 'command', $1 -> 'payload', $1 ->> 'timeout_ms', $1 ->> 'atomic'";

impl SqlJob {
    /// As jsonb, for the payload of a job.
    pub fn pack(&self) -> Result<Value> {
        let args = [
            (pg_sys::TEXTOID, self.command.as_str().into_datum()),
            (pg_sys::JSONBOID, self.payload.map(Value::datum)),
            (pg_sys::INT8OID, self.timeout_ms.into_datum()),
            (pg_sys::BOOLOID, self.atomic.into_datum()),
        ];
        let row = first_row(PACK, &args, 1)?;
        let packed = row.into_iter().next().flatten();
        packed.ok_or_else(|| Error::internal("a SQL job could not be written down"))
    }

    /// What [`SqlJob::pack`] wrote, with another payload for the same command.
    pub fn with_payload(packed: Value, payload: Option<Value>) -> Result<Value> {
        let args = [
            (pg_sys::JSONBOID, Some(packed.datum())),
            (pg_sys::JSONBOID, payload.map(Value::datum)),
        ];
        let row = first_row(SWAP, &args, 1)?;
        let packed = row.into_iter().next().flatten();
        packed.ok_or_else(|| Error::internal("a SQL job could not be written down"))
    }

    /// What [`SqlJob::pack`] wrote, in `memory`.
    pub fn unpack(packed: Value, memory: &mut Memory) -> Result<SqlJob> {
        memory.within(|| {
            let args = [(pg_sys::JSONBOID, Some(packed.datum()))];
            let row = first_row(UNPACK, &args, 4)?;
            let command = row.first().copied().flatten().and_then(text);
            let Some(command) = command else {
                return Err(Error::internal("the payload of a SQL job has no command"));
            };
            let timeout = row.get(2).copied().flatten().and_then(text);
            let atomic = row.get(3).copied().flatten().and_then(text);
            Ok(SqlJob {
                command,
                payload: row.get(1).copied().flatten(),
                timeout_ms: timeout.and_then(|t| t.parse().ok()).unwrap_or(0),
                atomic: atomic.as_deref() != Some("false"),
            })
        })
    }
}

fn text(value: Value) -> Option<String> {
    // SAFETY: the caller has selected text
    unsafe { pgrx::FromDatum::from_datum(value.datum(), false) }
}

/// The first row of a query of ours whose columns are of types text and jsonb, copied into the current memory
/// context.
fn first_row(
    sql: &CStr,
    args: &[(pg_sys::Oid, Option<pg_sys::Datum>)],
    columns: i32,
) -> Result<Vec<Option<Value>>> {
    let mut types: Vec<pg_sys::Oid> = args.iter().map(|a| a.0).collect();
    let mut values: Vec<pg_sys::Datum> = args
        .iter()
        .map(|a| a.1.unwrap_or(pg_sys::Datum::null()))
        .collect();
    let nulls: Vec<core::ffi::c_char> = args
        .iter()
        .map(|a| if a.1.is_some() { b' ' } else { b'n' } as core::ffi::c_char)
        .collect();
    // SAFETY: as many types, values and marks as it says; connect and finish are paired on the normal way, and on
    // error the transaction ends SPI. SPI copies the values to where the caller was
    as_extension_owner(|| unsafe {
        if pg_sys::SPI_connect() != pg_sys::SPI_OK_CONNECT as i32 {
            return Err(Error::internal("SPI_connect failed"));
        }
        let status = pg_sys::SPI_execute_with_args(
            sql.as_ptr(),
            args.len() as i32,
            types.as_mut_ptr(),
            values.as_mut_ptr(),
            nulls.as_ptr(),
            true,
            1,
        );
        if status != pg_sys::SPI_OK_SELECT as i32 || pg_sys::SPI_processed == 0 {
            return Err(Error::internal(format!(
                "a query of a SQL job gave SPI status {status}"
            )));
        }
        let (table, mut row) = (pg_sys::SPI_tuptable, Vec::new());
        for n in 1..=columns {
            let mut null = false;
            let datum = pg_sys::SPI_getbinval(*(*table).vals, (*table).tupdesc, n, &mut null);
            row.push((!null).then(|| Value::of(pg_sys::SPI_datumTransfer(datum, false, -1))));
        }
        pg_sys::SPI_finish();
        Ok(row)
    })
}

/// Lets this process show what it runs, whatever its role has set: others find it by that.
pub fn show_activity() {
    super::bgworker::set_for_life("track_activities", "on");
}

/// The running transaction is on disk when it has committed, whatever its role has set.
pub fn commit_durably() {
    let off = pg_sys::SyncCommitLevel::SYNCHRONOUS_COMMIT_OFF as i32;
    // SAFETY: the variable of a setting
    if unsafe { (&raw const pg_sys::synchronous_commit).read() } == off {
        super::owner::set_local("synchronous_commit", "local");
    }
}

/// Takes the first row of the last statement that gives rows, as jsonb.
#[repr(C)]
struct Receiver {
    base: pg_sys::DestReceiver,
    memory: pg_sys::MemoryContext,
    /// of the running statement, with names: a slot may have none
    columns: pg_sys::TupleDesc,
    row: Option<pg_sys::Datum>,
}

impl Receiver {
    fn new(memory: pg_sys::MemoryContext) -> Receiver {
        Receiver {
            base: pg_sys::DestReceiver {
                receiveSlot: Some(receive),
                rStartup: Some(start),
                rShutdown: Some(nothing),
                rDestroy: Some(nothing),
                mydest: pg_sys::CommandDest::DestNone,
            },
            memory,
            columns: std::ptr::null_mut(),
            row: None,
        }
    }
}

const _: () = assert!(offset_of!(Receiver, base) == 0);

#[pg_guard]
unsafe extern "C-unwind" fn start(
    receiver: *mut pg_sys::DestReceiver,
    _operation: core::ffi::c_int,
    columns: pg_sys::TupleDesc,
) {
    // SAFETY: the server hands back the receiver that it was given, whose first field is the base
    unsafe {
        let receiver = receiver.cast::<Receiver>();
        (*receiver).columns = columns;
        (*receiver).row = None;
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn nothing(_receiver: *mut pg_sys::DestReceiver) {}

#[pg_guard]
unsafe extern "C-unwind" fn receive(
    slot: *mut pg_sys::TupleTableSlot,
    receiver: *mut pg_sys::DestReceiver,
) -> bool {
    // SAFETY: as above; the slot holds a row, and the columns are those of the statement, as long as the call lasts.
    // Both functions take the one argument that they are given; their results are copied into the memory of the job
    unsafe {
        let receiver = receiver.cast::<Receiver>();
        if (*receiver).row.is_some() {
            return true;
        }
        let columns = pg_sys::BlessTupleDesc((*receiver).columns);
        let tuple = pg_sys::ExecFetchSlotHeapTuple(slot, false, std::ptr::null_mut());
        let row = pg_sys::heap_copy_tuple_as_datum(tuple, columns);
        let collation = pg_sys::InvalidOid;
        let json = pg_sys::OidFunctionCall1Coll(
            pg_sys::Oid::from(pg_sys::F_ROW_TO_JSON_RECORD),
            collation,
            row,
        );
        let json = pg_sys::text_to_cstring(json.cast_mut_ptr());
        let before = pg_sys::CurrentMemoryContext;
        pg_sys::MemoryContextSwitchTo((*receiver).memory);
        let jsonb = pg_sys::OidFunctionCall1Coll(
            pg_sys::Oid::from(pg_sys::F_JSONB_IN),
            collation,
            pg_sys::Datum::from(json),
        );
        pg_sys::MemoryContextSwitchTo(before);
        (*receiver).row = Some(jsonb);
        true
    }
}

/// `$1` and `$2` of a command.
unsafe fn arguments(payload: Option<Value>, id: i64) -> pg_sys::ParamListInfo {
    // SAFETY: a list of two, which are filled in here; they live in the current memory context
    unsafe {
        let list = pg_sys::makeParamList(2);
        let params = (*list).params.as_mut_slice(2);
        for (param, (oid, value)) in params.iter_mut().zip([
            (pg_sys::JSONBOID, payload.map(Value::datum)),
            (pg_sys::INT8OID, id.into_datum()),
        ]) {
            param.isnull = value.is_none();
            param.value = value.unwrap_or(pg_sys::Datum::null());
            param.pflags = pg_sys::PARAM_FLAG_CONST as u16;
            param.ptype = oid;
        }
        list
    }
}

/// Runs the command inside of the running transaction; its first row, as jsonb in `memory`.
pub fn run(job: &SqlJob, id: i64, memory: &mut Memory) -> Result<Option<Value>> {
    let command = CString::new(job.command.as_str());
    let command = command.map_err(|_| Error::internal("NUL in a command"))?;
    // SAFETY: connect and finish are paired on the normal way, and on error the transaction ends SPI; the receiver
    // outlives the statement, and the arguments live in the memory of the job
    unsafe {
        let (params, mut receiver) = memory.within(|| {
            (
                arguments(job.payload, id),
                Receiver::new(pg_sys::CurrentMemoryContext),
            )
        });
        if pg_sys::SPI_connect() != pg_sys::SPI_OK_CONNECT as i32 {
            return Err(Error::internal("SPI_connect failed"));
        }
        let options = pg_sys::SPIExecuteOptions {
            params,
            dest: (&raw mut receiver).cast(),
            ..Default::default()
        };
        let status = pg_sys::SPI_execute_extended(command.as_ptr(), &options);
        if status < 0 {
            let name = CStr::from_ptr(pg_sys::SPI_result_code_string(status));
            return Err(refused(status, &name.to_string_lossy()));
        }
        pg_sys::SPI_finish();
        Ok(receiver.row.map(Value::of))
    }
}

fn refused(status: i32, name: &str) -> Error {
    match status {
        pg_sys::SPI_ERROR_TRANSACTION => sql_command::no_transaction("an atomic SQL job")
            .hint("Push it with atomic => false and one CALL of a procedure that commits."),
        pg_sys::SPI_ERROR_COPY => sql_command::no_client(),
        _ => Error::new(
            crate::error::Kind::NotSupported,
            format!("the command of a SQL job was refused with {name}"),
        ),
    }
}

/// Runs the command outside of transactions, as a client would send it, so that it may commit.
pub fn run_alone(
    job: &SqlJob,
    id: i64,
    memory: &mut Memory,
) -> std::result::Result<Option<Value>, Caught> {
    let command = CString::new(job.command.as_str());
    let command = command.map_err(|_| Error::internal("NUL in a command"))?;
    contain(|| {
        memory.within(|| sql_command::check_alone(&job.command))?;
        // SAFETY: a worker has no transaction open between its steps; receiver and arguments outlive the statement
        unsafe {
            let (params, mut receiver) = memory.within(|| {
                (
                    arguments(job.payload, id),
                    Receiver::new(pg_sys::CurrentMemoryContext),
                )
            });
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            let context = memory.0.value();
            pg_sys::MemoryContextSwitchTo(context);
            toplevel::execute(
                &command,
                &[pg_sys::JSONBOID, pg_sys::INT8OID],
                params,
                (&raw mut receiver).cast(),
            );
            pg_sys::CommitTransactionCommand();
            if pg_sys::IsTransactionOrTransactionBlock() {
                // what comes next would run inside of it, and never be committed
                return Err(Error::internal("a SQL job left a transaction open"));
            }
            Ok(receiver.row.map(Value::of))
        }
    })
}

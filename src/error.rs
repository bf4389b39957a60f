//! One error type and one SQLSTATE table for the whole extension.
//!
//! Text rules: lower case, no full stop, objects in double quotes, the figure stated.
//! DETAIL holds sentences; HINT holds the next command, whole. Never a secret, never a stored value.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;

/// What went wrong, in the house meaning of each SQLSTATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 42704: an object of ours does not exist
    UndefinedObject,
    /// 42710: an object of ours exists already
    DuplicateObject,
    /// 42P01: a relation does not exist
    UndefinedTable,
    /// 42703: a column does not exist
    UndefinedColumn,
    /// 42939: a name that we use ourselves
    ReservedName,
    /// 42701: two columns of one name
    DuplicateColumn,
    /// 22023: bad argument
    InvalidParameter,
    /// 22004: an argument must not be NULL
    NullNotAllowed,
    /// 22008: a time or number lies outside the range of its type
    DatetimeOverflow,
    /// 42804: argument of the wrong type
    WrongType,
    /// 42809: wrong kind of relation
    WrongObjectType,
    /// 42P16: a table definition that cannot become what was asked for
    InvalidTableDefinition,
    InvalidDefinition,
    /// 23502: NULLs where none may be
    NotNullViolation,
    /// 23505: a key is taken
    UniqueViolation,
    /// 23514: rows break a rule that the table is to have
    CheckViolation,
    /// 55000: the object is not in the state that the operation needs
    NotInState,
    /// 55006: the object is busy
    InUse,
    /// 55P03: a lock could not be obtained in time
    LockNotAvailable,
    /// 0A000: not supported; the text says what is
    NotSupported,
    /// 42501: privilege missing, here or at the store
    InsufficientPrivilege,
    /// 54000: a limit of ours
    LimitExceeded,
    /// 53400: a configured limit
    ConfiguredLimit,
    /// 53000: no background worker slot
    NoWorkerSlot,
    /// 53100: no room on disk
    DiskFull,
    /// 25001: not inside a transaction block
    ActiveTransaction,
    /// 58030: store or file I/O failed
    Io,
    /// 58P01: file missing
    FileMissing,
    /// XX001: file damaged or changed
    DataCorrupted,
    /// HV004: a value of a foreign file does not fit its column
    DoesNotFit,
    /// P0002: what was asked for is not there
    NoData,
    /// 42601: a text does not parse
    Syntax,
    /// 3B001: no such savepoint
    NoSavepoint,
    /// 22021: bytes that are not valid in the encoding of the database
    BadEncoding,
    /// 40001: try again
    Retry,
    /// XX000: a bug of ours
    Internal,
}

impl Kind {
    /// The SQLSTATE that users see.
    #[must_use]
    pub fn sqlstate(self) -> PgSqlErrorCode {
        use PgSqlErrorCode as C;
        match self {
            Kind::UndefinedObject => C::ERRCODE_UNDEFINED_OBJECT,
            Kind::DuplicateObject => C::ERRCODE_DUPLICATE_OBJECT,
            Kind::UndefinedTable => C::ERRCODE_UNDEFINED_TABLE,
            Kind::UndefinedColumn => C::ERRCODE_UNDEFINED_COLUMN,
            Kind::ReservedName => C::ERRCODE_RESERVED_NAME,
            Kind::DuplicateColumn => C::ERRCODE_DUPLICATE_COLUMN,
            Kind::InvalidParameter => C::ERRCODE_INVALID_PARAMETER_VALUE,
            Kind::NullNotAllowed => C::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            Kind::DatetimeOverflow => C::ERRCODE_DATETIME_FIELD_OVERFLOW,
            Kind::WrongType => C::ERRCODE_DATATYPE_MISMATCH,
            Kind::WrongObjectType => C::ERRCODE_WRONG_OBJECT_TYPE,
            Kind::InvalidTableDefinition => C::ERRCODE_INVALID_TABLE_DEFINITION,
            Kind::InvalidDefinition => C::ERRCODE_INVALID_OBJECT_DEFINITION,
            Kind::NotNullViolation => C::ERRCODE_NOT_NULL_VIOLATION,
            Kind::UniqueViolation => C::ERRCODE_UNIQUE_VIOLATION,
            Kind::CheckViolation => C::ERRCODE_CHECK_VIOLATION,
            Kind::NotInState => C::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            Kind::InUse => C::ERRCODE_OBJECT_IN_USE,
            Kind::LockNotAvailable => C::ERRCODE_LOCK_NOT_AVAILABLE,
            Kind::NotSupported => C::ERRCODE_FEATURE_NOT_SUPPORTED,
            Kind::InsufficientPrivilege => C::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Kind::LimitExceeded => C::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            Kind::ConfiguredLimit => C::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            Kind::NoWorkerSlot => C::ERRCODE_INSUFFICIENT_RESOURCES,
            Kind::DiskFull => C::ERRCODE_DISK_FULL,
            Kind::ActiveTransaction => C::ERRCODE_ACTIVE_SQL_TRANSACTION,
            Kind::Io => C::ERRCODE_IO_ERROR,
            Kind::FileMissing => C::ERRCODE_UNDEFINED_FILE,
            Kind::DataCorrupted => C::ERRCODE_DATA_CORRUPTED,
            Kind::DoesNotFit => C::ERRCODE_FDW_INVALID_DATA_TYPE,
            Kind::NoData => C::ERRCODE_NO_DATA_FOUND,
            Kind::Syntax => C::ERRCODE_SYNTAX_ERROR,
            Kind::BadEncoding => C::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
            Kind::NoSavepoint => C::ERRCODE_S_E_INVALID_SPECIFICATION,
            Kind::Retry => C::ERRCODE_T_R_SERIALIZATION_FAILURE,
            Kind::Internal => C::ERRCODE_INTERNAL_ERROR,
        }
    }
}

/// An error on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

/// Result of everything that can fail for a reason that the user should read.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// Adds sentences that list all offenders.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the next command to type, whole.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A state that our own code should have made impossible.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(Kind::Internal, message)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for ErrorReport {
    fn from(e: Error) -> Self {
        let mut report = ErrorReport::new(e.kind.sqlstate(), e.message, "");
        if let Some(detail) = e.detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = e.hint {
            report = report.set_hint(hint);
        }
        report
    }
}

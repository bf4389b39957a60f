//! Groups of the rows of a cold file: their keys, and the states of their aggregates so far.
//!
//! SQLite groups by sorting all rows, which takes many times as long as reading them.

use super::aggregate::{Output, columns};
use super::mapping::{Cell, CellRef};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// What the map and its allocations take for a group beside keys and states.
const GROUP_BYTES: usize = 128;

/// All groups that were met since the last [`Groups::clear`].
#[derive(Debug)]
pub struct Groups {
    outputs: Vec<Output>,
    /// where each output finds its value in a row of the statement
    sources: Vec<usize>,
    /// the outputs that are keys, and those that are not
    keys: Vec<Step>,
    states: Vec<Step>,
    /// from the bytes of the keys to the number of the group
    numbers: HashMap<Box<[u8]>, usize, Seed>,
    /// all columns of all outputs, group after group
    cells: Vec<Cell>,
    width: usize,
    bytes: usize,
    /// bytes of the keys of the row at hand
    key: Vec<u8>,
    /// the group of the row before
    last: Option<usize>,
}

/// What is done with a row for one output.
#[derive(Debug, Clone, Copy)]
struct Step {
    output: Output,
    /// where its value is in a row of the statement
    source: usize,
    /// where its columns begin among those of a group
    at: usize,
}

/// Something in a file that its manifest says is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexpected(pub String);

impl Groups {
    #[must_use]
    pub fn new(outputs: &[Output]) -> Self {
        let columns = columns(outputs);
        let place = |o: &Output| columns.iter().position(|c| Some(*c) == o.attnum());
        let mut width = 0;
        let steps = outputs.iter().map(|output| {
            let at = width;
            width += output.width();
            Step {
                output: *output,
                source: place(output).unwrap_or(0),
                at,
            }
        });
        let (keys, states) = steps.partition(|step| step.output.is_key());
        Groups {
            keys,
            states,
            outputs: outputs.to_vec(),
            sources: outputs.iter().map(|o| place(o).unwrap_or(0)).collect(),
            numbers: HashMap::with_hasher(Seed::new()),
            cells: Vec::new(),
            width,
            bytes: 0,
            key: Vec::new(),
            last: None,
        }
    }

    /// Takes a row of the statement in.
    ///
    /// # Errors
    /// When it holds what cannot be aggregated.
    pub fn add<'c>(&mut self, value: impl Fn(usize) -> CellRef<'c>) -> Result<(), Unexpected> {
        let start = match self.last {
            // rows that follow one another often belong together, above all by time
            Some(number) if self.is_of(number, &value) => number,
            _ => self.find(&value)?,
        } * self.width;
        let cells = &mut self.cells[start..start + self.width];
        for Step { output, source, at } in &self.states {
            match output {
                Output::Key(_) | Output::Bucket { .. } => {}
                Output::Rows => count(&mut cells[*at]),
                Output::Count(_) => {
                    if !matches!(value(*source), CellRef::Null) {
                        count(&mut cells[*at]);
                    }
                }
                Output::Sum(_) => {
                    sum(&mut cells[*at], value(*source))?;
                }
                Output::Average(_) => {
                    if sum(&mut cells[*at + 1], value(*source))? {
                        count(&mut cells[*at]);
                    }
                }
                Output::Min(_) => {
                    let state = &mut cells[*at];
                    extreme(state, value(*source), Ordering::Less, &mut self.bytes);
                }
                Output::Max(_) => {
                    let state = &mut cells[*at];
                    extreme(state, value(*source), Ordering::Greater, &mut self.bytes);
                }
            }
        }
        Ok(())
    }

    /// True when a row has the keys of this group.
    fn is_of<'c>(&self, number: usize, value: &impl Fn(usize) -> CellRef<'c>) -> bool {
        let cells = &self.cells[number * self.width..];
        self.keys.iter().all(|key| match key.output {
            Output::Bucket { width_us, .. } => {
                is_within(&cells[key.at], width_us, value(key.source))
            }
            _ => is_same(&cells[key.at], value(key.source)),
        })
    }

    /// The number of the group of a row, which may be new.
    fn find<'c>(&mut self, value: &impl Fn(usize) -> CellRef<'c>) -> Result<usize, Unexpected> {
        self.key.clear();
        for (output, source) in self.outputs.iter().zip(&self.sources) {
            if output.is_key() {
                write_key(&mut self.key, key_of(*output, value(*source))?);
            }
        }
        let number = match self.numbers.get(self.key.as_slice()) {
            Some(number) => *number,
            None => {
                for (output, source) in self.outputs.iter().zip(&self.sources) {
                    let first = match output {
                        Output::Key(_) | Output::Bucket { .. } => {
                            key_of(*output, value(*source))?.to_cell()
                        }
                        Output::Rows | Output::Count(_) => Cell::Int(0),
                        Output::Average(_) => {
                            self.cells.push(Cell::Int(0));
                            Cell::Null
                        }
                        Output::Sum(_) | Output::Min(_) | Output::Max(_) => Cell::Null,
                    };
                    self.cells.push(first);
                }
                let number = self.numbers.len();
                self.numbers.insert(self.key.as_slice().into(), number);
                self.bytes += GROUP_BYTES + 2 * self.key.len() + self.width * size_of::<Cell>();
                number
            }
        };
        self.last = Some(number);
        Ok(number)
    }

    /// Roughly what they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The columns of all outputs for one group; none: there are no more.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&[Cell]> {
        let start = number.checked_mul(self.width)?;
        self.cells.get(start..start + self.width)
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.numbers = HashMap::with_hasher(Seed::new());
        self.cells = Vec::new();
        self.bytes = 0;
        self.last = None;
    }
}

/// The value by which rows are grouped.
fn key_of(output: Output, value: CellRef<'_>) -> Result<CellRef<'_>, Unexpected> {
    let Output::Bucket {
        width_us,
        origin_us,
        ..
    } = output
    else {
        return Ok(value);
    };
    match value {
        CellRef::Null => Ok(value),
        CellRef::Int(time) => {
            let within = time.wrapping_sub(origin_us.rem_euclid(width_us));
            // times near the ends of the numbers are not let in by the manifest
            Ok(CellRef::Int(time.wrapping_sub(within.rem_euclid(width_us))))
        }
        _ => Err(Unexpected(format!("unexpected {value:?} as a time"))),
    }
}

/// Equal as [`write_key`] means it.
fn is_same(key: &Cell, value: CellRef<'_>) -> bool {
    match (key.as_ref(), value) {
        (CellRef::Real(a), CellRef::Real(b)) => a.to_bits() == b.to_bits(),
        // bytes that are no text in UTF-8 are kept as a blob, and found by their key
        (a, b) => a == b,
    }
}

/// True for a time in the bucket that begins at `start`.
fn is_within(start: &Cell, width_us: i64, value: CellRef<'_>) -> bool {
    match (start, value) {
        (Cell::Int(start), CellRef::Int(time)) => {
            let behind = time.checked_sub(*start);
            behind.is_some_and(|behind| (0..width_us).contains(&behind))
        }
        (Cell::Null, CellRef::Null) => true,
        _ => false,
    }
}

/// Values are equal when their bytes are.
fn write_key(key: &mut Vec<u8>, value: CellRef<'_>) {
    let mut put = |kind: u8, bytes: &[u8]| {
        key.push(kind);
        key.extend_from_slice(bytes);
    };
    match value {
        CellRef::Null => put(0, &[]),
        CellRef::Int(number) => put(1, &number.to_le_bytes()),
        CellRef::Real(number) => put(2, &number.to_bits().to_le_bytes()),
        CellRef::Text(bytes) => {
            put(3, &(bytes.len() as u64).to_le_bytes());
            key.extend_from_slice(bytes);
        }
        CellRef::Blob(bytes) => {
            put(4, &(bytes.len() as u64).to_le_bytes());
            key.extend_from_slice(bytes);
        }
    }
}

fn count(state: &mut Cell) {
    if let Cell::Int(count) = state {
        *count += 1;
    }
}

/// Adds a value; false if it is NULL.
fn sum(state: &mut Cell, value: CellRef<'_>) -> Result<bool, Unexpected> {
    let number = match value {
        CellRef::Null => return Ok(false),
        CellRef::Int(number) => number,
        _ => return Err(Unexpected(format!("unexpected {value:?} in a sum"))),
    };
    let before = match state {
        Cell::Int(before) => *before,
        _ => 0,
    };
    let after = before.checked_add(number);
    *state = Cell::Int(after.ok_or_else(|| Unexpected("numbers too large for a sum".into()))?);
    Ok(true)
}

/// Keeps the value that is `wanted` compared with the one so far.
fn extreme(state: &mut Cell, value: CellRef<'_>, wanted: Ordering, bytes: &mut usize) {
    if let (CellRef::Int(new), Cell::Int(so_far)) = (value, &mut *state) {
        if new.cmp(so_far) == wanted {
            *so_far = new;
        }
        return;
    }
    if value == CellRef::Null {
        return;
    }
    let kept = *state != Cell::Null && value.order(&state.as_ref()) != wanted;
    if kept {
        return;
    }
    *bytes = (*bytes + length(value)).saturating_sub(length(state.as_ref()));
    *state = value.to_cell();
}

fn length(value: CellRef<'_>) -> usize {
    match value {
        CellRef::Text(bytes) | CellRef::Blob(bytes) => bytes.len(),
        _ => 0,
    }
}

/// Hashing that takes less time than reading a row, with a start that nobody can foresee.
#[derive(Debug, Clone)]
struct Seed(u64);

impl Seed {
    fn new() -> Self {
        Seed(RandomState::new().build_hasher().finish())
    }
}

impl BuildHasher for Seed {
    type Hasher = Mixer;
    fn build_hasher(&self) -> Mixer {
        Mixer(self.0)
    }
}

struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ 0xD6E8_FEB8_6659_FD93;
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;

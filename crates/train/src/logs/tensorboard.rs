//! A log as event files of TensorBoard.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::with_learning_rate;
use crate::callbacks::Callback;
use crate::error::{Result, TrainError};
use crate::training_state::TrainingState;

/// A folder of event files for `tensorboard --logdir`, which shows a chart for each name with its values over the
/// epochs. Each run and each resumed part of a run writes its own file, whose name begins with `events.out.tfevents`
/// and the time. A resumed run makes TensorBoard discard the epochs that are repeated.
///
/// The file is a sequence of TFRecords, each a Protocol Buffers message `Event`
/// (`tensorflow/core/util/event.proto`). Values are stored in float32, as TensorBoard's scalars are.
///
/// ```no_run
/// let mut log = train::TensorBoard::create("logs/first")?;
/// log.write(0, &[("loss", 0.5), ("val_loss", 0.6)])?;
/// # Ok::<(), train::Error>(())
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: fs::File,
}

impl TensorBoard {
    /// Creates an event file in this folder, and the folder if it does not exist.
    ///
    /// # Errors
    /// Returns an error if the folder or the file cannot be created.
    pub fn create(folder: impl AsRef<Path>) -> Result<TensorBoard> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|error| TrainError::file(folder, error))?;
        let now = now();
        // TensorBoard reads files in the order of their names, so they begin with the time.
        let name =
            format!("events.out.tfevents.{:010}.{:09}.{}", now.as_secs(), now.subsec_nanos(), std::process::id());
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| TrainError::file(&path, error))?;
        let mut log = TensorBoard { path, file };
        let mut event = Message::default();
        event.double(1, now.as_secs_f64());
        event.bytes(3, b"brain.Event:2");
        log.append(&event)?;
        Ok(log)
    }

    /// Makes TensorBoard discard the values of the earlier files in this folder from an epoch on, by a `SessionLog`
    /// event with the status `START`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn rewind(&mut self, epoch: usize) -> Result<()> {
        let mut session = Message::default();
        session.integer(1, 1);
        let mut event = Message::default();
        event.double(1, now().as_secs_f64());
        event.integer(2, epoch as u64);
        event.bytes(7, &session.0);
        self.append(&event)
    }

    /// Appends an event with these values.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&mut self, epoch: usize, values: &[(&str, f64)]) -> Result<()> {
        let mut summary = Message::default();
        for (name, value) in values {
            let mut scalar = Message::default();
            scalar.bytes(1, name.as_bytes());
            scalar.float(2, *value as f32);
            summary.bytes(1, &scalar.0);
        }
        let mut event = Message::default();
        event.double(1, now().as_secs_f64());
        event.integer(2, epoch as u64);
        event.bytes(5, &summary.0);
        self.append(&event)
    }

    /// Appends a TFRecord: the length, its checksum, the message, its checksum.
    fn append(&mut self, message: &Message) -> Result<()> {
        let length = (message.0.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(checksum(&length).to_le_bytes());
        record.extend(&message.0);
        record.extend(checksum(&message.0).to_le_bytes());
        self.file.write_all(&record).map_err(|error| TrainError::file(&self.path, error))
    }
}

impl Callback for TensorBoard {
    fn name(&self) -> &str {
        "tensorboard"
    }

    fn on_begin(&mut self, training: &mut TrainingState<'_>) -> Result<()> {
        if training.resumed { self.rewind(training.epoch()) } else { Ok(()) }
    }

    fn on_epoch_end(&mut self, training: &mut TrainingState<'_>, values: &[(String, f64)]) -> Result<()> {
        self.write(training.epoch(), &with_learning_rate(training, values))
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// CRC-32C, masked as in TFRecords, where the data may itself contain checksums.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A Protocol Buffers message: fields of a number, a wire type and a value.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn integer(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    /// A string or a nested message.
    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    /// Seven bits per byte, the lowest first. The eighth bit tells whether more bytes follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a file. Checks their checksums.
    fn messages(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut messages = Vec::new();
        while let Some((head, rest)) = bytes.split_at_checked(12) {
            assert_eq!(checksum(&head[..8]).to_le_bytes(), head[8..]);
            let (message, rest) = rest.split_at(u64::from_le_bytes(head[..8].try_into().unwrap()) as usize);
            let (sum, rest) = rest.split_at(4);
            assert_eq!(checksum(message).to_le_bytes(), sum);
            messages.push(message);
            bytes = rest;
        }
        assert!(bytes.is_empty());
        messages
    }

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aau32.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    #[test]
    fn events_are_messages_with_checksums() {
        let folder = std::env::temp_dir().join(format!("tensorboard-{}", std::process::id()));
        let mut log = TensorBoard::create(folder.join("run")).unwrap();
        log.write(300, &[("loss", 0.5), ("é", f64::NAN)]).unwrap();
        log.rewind(299).unwrap();
        assert!(log.path.file_name().unwrap().to_str().unwrap().starts_with("events.out.tfevents."));
        let bytes = fs::read(&log.path).unwrap();
        let messages = messages(&bytes);
        assert_eq!(messages.len(), 3);
        // After the nine bytes of the time.
        assert_eq!(messages[0][9..], *b"\x1a\x0dbrain.Event:2");
        assert_eq!(
            messages[1][9..],
            *b"\x10\xac\x02\x2a\x18\x0a\x0b\x0a\x04loss\x15\x00\x00\x00\x3f\x0a\x09\x0a\x02\xc3\xa9\x15\x00\x00\xc0\x7f"
        );
        // `tensorflow/core/util/event.proto`: step 299, `session_log { status: START }`.
        assert_eq!(messages[2][9..], *b"\x10\xab\x02\x3a\x02\x08\x01");
        fs::remove_dir_all(&folder).unwrap();
        let error = TensorBoard::create("/dev/null/run").unwrap_err().to_string();
        assert!(error.starts_with("/dev/null/run: "), "{error}");
    }
}

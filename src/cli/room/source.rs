//! The files that a room command reads: dumps, keys and states, plain or compressed, from disk or standard
//! input.

use std::{
    fs::File,
    io::{Read, stdin},
    path::PathBuf,
    str::FromStr,
};

use clap::Args;
use flate2::read::MultiGzDecoder;
use ruma_common::{EventId, OwnedEventId};

use super::Failure;
use crate::room::dump::{Dump, StateFile, Verified, read_keys};

/// The most that one file may hold, unpacked: whoever means to read more has mistaken the file, or was sent a
/// bomb.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// The first bytes of what gzip packs.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The dump that a command reads.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// The dump: one file or several of one room, events in federation format. One a line or in an array,
    /// answers of a server (/state, /backfill, /event, /get_missing_events, /event_auth, /send_join), or rows
    /// of Synapse's table event_json; packed by gzip or not; - for standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The public keys of the servers that signed the events [default: signatures are not checked]
    #[arg(long, value_name = "KEYS.json")]
    keys: Option<PathBuf>,

    /// The state before an event above a gap, as some server told it: the answer to /state_ids or /state as
    /// EVENT=FILE, or a list of {"event_id", "state_ids"}; may be given several times
    #[arg(long, value_name = "[EVENT=]FILE")]
    state_at: Vec<StateAt>,
}

/// A value of `--state-at`.
#[derive(Clone, Debug)]
struct StateAt {
    event: Option<OwnedEventId>,
    file: PathBuf,
}

impl FromStr for StateAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('$') {
            return Ok(Self { event: None, file: text.into() });
        }
        let (event, file) = text.split_once('=').ok_or("after the event, `=` and the file are missing")?;
        let event = EventId::parse(event).map_err(|error| format!("`{event}` is no event id: {error}"))?;
        Ok(Self { event: Some(event), file: file.into() })
    }
}

/// What may stand after an option that takes event ids: one of these, or already the file. Event ids begin
/// with `$`.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Event(OwnedEventId),
    File(PathBuf),
}

impl FromStr for Operand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('$') {
            return Ok(Self::File(text.into()));
        }
        EventId::parse(text).map(Self::Event).map_err(|error| format!("not an event id: {error}"))
    }
}

impl Source {
    /// The event ids after an option; the files among them are of the dump.
    pub(super) fn events_of(
        &mut self,
        option: &str,
        operands: Vec<Operand>,
    ) -> Result<Vec<OwnedEventId>, Failure> {
        let was_given = !operands.is_empty();
        let mut events = Vec::new();
        for operand in operands {
            match operand {
                Operand::Event(event) => events.push(event),
                Operand::File(file) => self.files.push(file),
            }
        }
        if was_given && events.is_empty() {
            return Err(Failure::usage(format!("{option} wants an event id, which begins with `$`")));
        }
        Ok(events)
    }

    pub(super) fn read(&self) -> Result<Verified, Failure> {
        if self.files.is_empty() {
            return Err(Failure::usage("no FILE with a dump was given; - reads standard input"));
        }
        let states = self.state_at.iter().map(|state| &state.file);
        let every = self.files.iter().chain(states).chain(&self.keys);
        if every.filter(|path| path.as_os_str() == "-").count() > 1 {
            return Err(Failure::usage("standard input (-) can be only one of the files"));
        }
        let read_all = |paths: Vec<&PathBuf>| paths.into_iter().map(read).collect::<Result<Vec<_>, _>>();
        let dumps = read_all(self.files.iter().collect())?;
        let states = read_all(self.state_at.iter().map(|state| &state.file).collect())?;
        let dumps: Vec<(&str, &str)> = dumps.iter().map(Input::as_pair).collect();
        let states: Vec<StateFile<'_>> = (self.state_at.iter().zip(&states))
            .map(|(state, Input { name, text })| StateFile { at: state.event.as_deref(), name, text })
            .collect();
        let dump = Dump::read(&dumps, &states).map_err(Failure::usage)?;
        let keys = self.keys.as_ref().map(read).transpose()?;
        let keys = keys.map(|Input { name, text }| read_keys(&name, &text)).transpose();
        Ok(dump.verify(keys.map_err(Failure::usage)?.as_ref()))
    }
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) text: String,
}

impl Input {
    pub(super) fn as_pair(&self) -> (&str, &str) {
        (&self.name, &self.text)
    }
}

/// Reads a file; `-` is standard input.
pub(super) fn read(path: &PathBuf) -> Result<Input, Failure> {
    let is_stdin = path.as_os_str() == "-";
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let text = if is_stdin {
        text_of(stdin().lock(), FILE_BYTES_MAX)
    } else {
        File::open(path).map_err(|error| error.to_string()).and_then(|file| text_of(file, FILE_BYTES_MAX))
    };
    text.map(|text| Input { name: name.clone(), text })
        .map_err(|problem| Failure::usage(format!("{name}: {problem}")))
}

fn text_of(input: impl Read, most: u64) -> Result<String, String> {
    let bytes = bytes_of(input, most)?;
    let bytes =
        if bytes.starts_with(&GZIP) { bytes_of(MultiGzDecoder::new(&bytes[..]), most)? } else { bytes };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("UTF-16; write it anew as UTF-8".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        format!("neither text in UTF-8 nor packed by gzip (byte {place}); unpack it, or write it anew")
    })
}

fn bytes_of(input: impl Read, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    input.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!(
            "more than {most} bytes, which no room that can be judged at once has; split it"
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused_before_it_fills_the_memory() {
        let bomb = packed(&vec![b' '; 1 << 20]);
        assert!(bomb.len() < 2_000);
        assert!(text_of(&bomb[..], 1 << 20).is_ok());
        let problem = text_of(&bomb[..], (1 << 20) - 1).unwrap_err();
        assert!(problem.starts_with("more than 1048575 bytes"), "{problem}");
    }

    #[test]
    fn what_is_no_text_is_named() {
        let cases: [(&[u8], &str); 4] = [
            (b"\xff\xfe{\0", "UTF-16"),
            (b"{\"type\": \"\xc3", "neither text in UTF-8 nor packed by gzip (byte 10)"),
            (b"\x28\xb5\x2f\xfd", "neither text"),
            (&packed(b"{}")[..12], "incomplete deflate stream"),
        ];
        for (bytes, message) in cases {
            let problem = text_of(bytes, 100).unwrap_err();
            assert!(problem.contains(message), "{bytes:?}: {problem}");
        }
    }
}

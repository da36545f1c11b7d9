//! Compressed logs, recognised by their first bytes. Gzip and Zstandard are read as a stream, others are refused by name.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The length of the longest magic number.
pub const MAGIC: usize = 6;
/// A decoder keeps at most this much of what it has decoded: the maximum that RFC 8878 asks of every decoder.
const WINDOW: u64 = 8 * 1024 * 1024;

/// How a log is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not compressed.
    Plain,
    Gzip,
    /// Zstandard.
    Zstd,
    /// A compression that solobot does not read, with the command that unpacks it.
    Foreign(&'static str),
}

impl Compression {
    /// Recognises it by the first bytes, whatever the file's name is.
    pub fn of(magic: &[u8]) -> Self {
        if magic.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else if magic.starts_with(b"BZh") {
            Self::Foreign("bzip2 -dc")
        } else if magic.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
            Self::Foreign("xz -dc")
        } else if magic.starts_with(&[0x04, 0x22, 0x4d, 0x18]) {
            Self::Foreign("lz4 -dc")
        } else {
            Self::Plain
        }
    }
}

/// Unpacks a stream.
///
/// # Errors
/// Those of the stream, and a compression that solobot does not read.
pub fn unpack<'a>(mut reader: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut magic = [0; MAGIC];
    let mut length = 0;
    while length < MAGIC {
        match reader.read(&mut magic[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let all = Cursor::new(magic[..length].to_vec()).chain(reader);
    match Compression::of(&magic[..length]) {
        Compression::Plain => Ok(Box::new(all)),
        Compression::Gzip => Ok(Box::new(MultiGzDecoder::new(BufReader::new(all)))),
        Compression::Zstd => Ok(Box::new(Frames::new(BufReader::new(all)))),
        Compression::Foreign(command) => Err(foreign(command)),
    }
}

/// The error for a compression that solobot does not read.
pub fn foreign(command: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("unsupported compression; to unpack it: {command} FILE | solobot conflicts -"),
    )
}

/// The frames of a Zstandard stream, one after the other. A truncated end is an error, as with gzip; then the part that the
/// decoder still keeps as its window is lost.
struct Frames<R: BufRead> {
    source: R,
    decoder: FrameDecoder,
    is_inside: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        Self { source, decoder, is_inside: false }
    }

    /// Reads the header of the next frame that has data; whether there is one.
    fn enter(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.is_inside = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.source).take(u64::from(length)), &mut io::sink())?;
                }
                Err(FrameDecoderError::WindowSizeTooBig { .. }) => return Err(foreign("zstd -dc --long=31")),
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_inside && !self.enter()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
            match self.decoder.read(buffer)? {
                0 if !buffer.is_empty() => self.is_inside = false,
                got => return Ok(got),
            }
        }
    }
}

//! The header of a `.npy` file, a Python dictionary of three entries.

use tensor::{Shape, escaped};

use crate::error::{DataError, Result, shown};
use crate::input::Input;
use crate::stored::{ByteOrder, StoredType, byte_count};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The maximum size of the dictionary, that of version 1. NumPy itself refuses more than 10,000 bytes.
const MOST: usize = 65_535;

/// The element types by NumPy's code, a letter and a number of bytes.
const CODES: [(&str, StoredType); 12] = [
    ("f2", StoredType::F16),
    ("f4", StoredType::F32),
    ("f8", StoredType::F64),
    ("i1", StoredType::I8),
    ("i2", StoredType::I16),
    ("i4", StoredType::I32),
    ("i8", StoredType::I64),
    ("u1", StoredType::U8),
    ("u2", StoredType::U16),
    ("u4", StoredType::U32),
    ("u8", StoredType::U64),
    ("b1", StoredType::Bool),
];

/// The content of the header.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) stored: StoredType,
    pub(super) order: ByteOrder,
    /// Whether the elements are in Fortran order, the first axis varying fastest.
    pub(super) fortran: bool,
    pub(super) shape: Shape,
}

impl Header {
    /// Reads the header. The input is then at the first element.
    pub(super) fn read(input: &mut Input) -> Result<Header> {
        let mut magic = [0; 8];
        input.exactly(&mut magic, "the magic number")?;
        let start = input.offset - 8;
        if !magic.starts_with(MAGIC) {
            let message = format!("the magic number is {:02x?}; .npy files begin with {MAGIC:02x?}", &magic[..6]);
            return Err(DataError::format(input.name, start, message));
        }
        let length = match magic[6] {
            1 => {
                let mut length = [0; 2];
                input.exactly(&mut length, "the length of the header")?;
                usize::from(u16::from_le_bytes(length))
            }
            2 | 3 => {
                let mut length = [0; 4];
                input.exactly(&mut length, "the length of the header")?;
                u32::from_le_bytes(length) as usize
            }
            version => {
                let message = format!("version {version} of the format is not one of 1, 2, 3");
                return Err(DataError::format(input.name, start + 6, message));
            }
        };
        if length > MOST {
            let message = format!("a header of {length} bytes is more than the {MOST} that are allowed");
            return Err(DataError::format(input.name, start + 8, message));
        }
        let offset = input.offset;
        let mut text = vec![0; length];
        input.exactly(&mut text, "the header")?;
        let mut parser = Parser { text: &text, position: 0 };
        let header = parser.header();
        let header =
            header.map_err(|message| DataError::format(input.name, offset + parser.position as u64, message))?;
        if byte_count(&header.shape, header.stored).is_err() {
            let shape = header.shape.to_string();
            let message = format!("the shape {} is larger than memory can address", escaped(&shape));
            return Err(DataError::format(input.name, offset, message));
        }
        Ok(header)
    }

    /// The magic number and the dictionary, padded so that the elements begin at a multiple of 64 bytes.
    pub(super) fn write(&self) -> std::result::Result<Vec<u8>, String> {
        let code = CODES.iter().find(|(_, stored)| *stored == self.stored).map(|(code, _)| *code);
        let code = code.ok_or_else(|| format!("{} elements", self.stored))?;
        let order = if self.stored.size_of() == 1 { '|' } else { '<' };
        let sizes: String = self.shape.iter().map(|size| format!("{size}, ")).collect();
        // NumPy writes (), (3,) and (3, 4).
        let sizes = if self.shape.rank() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
        let mut text = format!("{{'descr': '{order}{code}', 'fortran_order': False, 'shape': ({sizes}), }}");
        let padding = 63 - (MAGIC.len() + 4 + text.len()) % 64;
        text.extend(std::iter::repeat_n(' ', padding).chain(['\n']));
        let length = u16::try_from(text.len()).map_err(|_| format!("{} axes", self.shape.rank()))?;
        Ok([&MAGIC[..], &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat())
    }
}

/// A parser for the Python syntax of the dictionary.
struct Parser<'a> {
    text: &'a [u8],
    position: usize,
}

impl<'a> Parser<'a> {
    fn header(&mut self) -> std::result::Result<Header, String> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.skip(b'}') {
            let key = self.string()?;
            self.expect(b':')?;
            match key {
                b"descr" if descr.is_none() => descr = Some(self.element_type()?),
                b"fortran_order" if fortran.is_none() => fortran = Some(self.truth()?),
                b"shape" if shape.is_none() => shape = Some(self.sizes()?),
                key => {
                    let key = shown(&String::from_utf8_lossy(key));
                    return Err(format!(
                        "the key {key}; each of descr, fortran_order and shape must occur exactly once"
                    ));
                }
            }
            if !self.skip(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        if self.peek().is_some() {
            return Err("the header continues after the dictionary".into());
        }
        let missing = |key: &str| format!("the header has no {key}");
        let (stored, order) = descr.ok_or_else(|| missing("descr"))?;
        let fortran = fortran.ok_or_else(|| missing("fortran_order"))?;
        Ok(Header { stored, order, fortran, shape: shape.ok_or_else(|| missing("shape"))? })
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.position).is_some_and(u8::is_ascii_whitespace) {
            self.position += 1;
        }
        self.text.get(self.position).copied()
    }

    /// Consumes this byte if it comes next.
    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> std::result::Result<(), String> {
        match self.peek() {
            Some(found) if found == byte => {
                self.position += 1;
                Ok(())
            }
            Some(found) => Err(format!("{:?} stands where {:?} should", char::from(found), char::from(byte))),
            None => Err(format!("the header ends where {:?} should stand", char::from(byte))),
        }
    }

    fn string(&mut self) -> std::result::Result<&'a [u8], String> {
        let quote = match self.peek() {
            Some(quote @ (b'\'' | b'"')) => quote,
            _ => return Err("a name or type in quotes should stand here".into()),
        };
        let start = self.position + 1;
        let length = self.text[start..].iter().position(|&byte| byte == quote);
        let end = start + length.ok_or("a quote that does not end")?;
        self.position = end + 1;
        Ok(&self.text[start..end])
    }

    fn element_type(&mut self) -> std::result::Result<(StoredType, ByteOrder), String> {
        if self.peek() == Some(b'[') {
            return Err("elements of several fields are not supported".into());
        }
        let descr = String::from_utf8_lossy(self.string()?).into_owned();
        let (order, code) = match descr.split_at_checked(1) {
            Some(("<" | "|", code)) => (ByteOrder::Little, code),
            Some((">", code)) => (ByteOrder::Big, code),
            _ => (ByteOrder::Little, descr.as_str()),
        };
        let stored = CODES.iter().find(|(known, _)| *known == code).map(|(_, stored)| *stored);
        let stored = stored.ok_or_else(|| {
            let known: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
            format!("the element type {} is not one of {}", shown(&descr), known.join(", "))
        })?;
        Ok((stored, order))
    }

    fn truth(&mut self) -> std::result::Result<bool, String> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if self.text[self.position..].starts_with(word.as_bytes()) {
                self.position += word.len();
                return Ok(value);
            }
        }
        Err("fortran_order must be True or False".into())
    }

    fn sizes(&mut self) -> std::result::Result<Shape, String> {
        let mut sizes = Vec::new();
        self.expect(b'(')?;
        while !self.skip(b')') {
            self.peek();
            let digits = self.text[self.position..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let text = std::str::from_utf8(&self.text[self.position..self.position + digits]).unwrap_or_default();
            sizes
                .push(text.parse().map_err(|_| "a size of an axis should stand here, of at most 64 bits".to_string())?);
            self.position += digits;
            // With the suffix of Python 2.
            self.skip(b'L');
            if !self.skip(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(sizes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<Header, String> {
        Parser { text: text.as_bytes(), position: 0 }.header()
    }

    #[test]
    fn dictionaries_are_read_as_python_may_write_them() {
        let header = |stored, order, fortran, shape: &[usize]| Header { stored, order, fortran, shape: shape.into() };
        assert_eq!(
            parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }          \n"),
            Ok(header(StoredType::F32, ByteOrder::Little, false, &[3, 4]))
        );
        assert_eq!(
            parse("{\"shape\":(5L,),\"fortran_order\":True,\"descr\":\">i8\"}"),
            Ok(header(StoredType::I64, ByteOrder::Big, true, &[5]))
        );
        assert_eq!(
            parse("{'descr': '|b1', 'fortran_order': False, 'shape': ()}"),
            Ok(header(StoredType::Bool, ByteOrder::Little, false, &[]))
        );
    }

    #[test]
    fn other_dictionaries_are_refused() {
        let wrong = |text: &str| parse(text).unwrap_err();
        assert_eq!(wrong(""), "the header ends where '{' should stand");
        assert_eq!(wrong("{'descr' '<f4'}"), "'\\'' stands where ':' should");
        assert_eq!(wrong("{'descr': '<f4"), "a quote that does not end");
        assert_eq!(wrong("{'descr': '<f4', 'shape': ()}"), "the header has no fortran_order");
        assert_eq!(
            wrong("{'shape': (), 'shape': ()}"),
            "the key \"shape\"; each of descr, fortran_order and shape must occur exactly once"
        );
        assert_eq!(
            wrong("{'descr': '<c8'}"),
            "the element type \"<c8\" is not one of f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8, b1"
        );
        assert_eq!(wrong("{'descr': [('x', '<f4')]}"), "elements of several fields are not supported");
        assert_eq!(wrong("{'fortran_order': 0}"), "fortran_order must be True or False");
        let size = "a size of an axis should stand here, of at most 64 bits";
        assert_eq!(wrong("{'shape': (-1,)}"), size);
        assert_eq!(wrong("{'shape': (99999999999999999999,)}"), size);
        let whole = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x";
        assert_eq!(wrong(whole), "the header continues after the dictionary");
    }
}

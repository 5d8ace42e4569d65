//! A check that the entropy-coded data of a JPEG file has all blocks of its picture: ITU-T T.81, annexes F and G.
//!
//! Decoders silently fill in missing data. This reads and counts the codes without computing anything from them.

use super::header::{Problem, wrong};
use super::jpeg::{Frame, Segments};

/// The limit of the decoder: many scans may have little data.
const MOST_SCANS: usize = 100;

/// Reads all scans. Returns the number of components, and whether the picture is progressive.
///
/// # Errors
/// Returns an error if a scan ends before all its blocks, a code is not in its table, or a component is in no scan.
pub(super) fn check(bytes: &[u8]) -> Result<(usize, bool), Problem> {
    let mut segments = Segments::new(bytes);
    let mut tables = Tables::default();
    let (mut frame, mut scans) = (None, 0);
    while let Some(segment) = segments.next()? {
        match segment.code {
            0xc0..=0xc2 if frame.is_none() => frame = Frame::read(segment.data, segment.code == 0xc2).map(Blocks::of),
            0xc4 => tables.define(segment.data),
            0xdd => tables.restart_interval = segment.data.first_chunk().map_or(0, |&count| u16::from_be_bytes(count)),
            0xda => {
                scans += 1;
                if scans > MOST_SCANS {
                    return Err(wrong(segment.start, format!("there are more than {MOST_SCANS} scans")));
                }
                let broken = || wrong(segment.start, "a scan that does not suit the frame");
                let frame = frame.as_mut().ok_or_else(broken)?;
                let scan = Scan::read(segment.data, frame).ok_or_else(broken)?;
                let mut bits = Bits::new(bytes, segments.place);
                scan.read_blocks(frame, &tables, &mut bits)?;
                segments.place = bits.place;
            }
            _ => {}
        }
    }
    match frame {
        Some(frame) if frame.components.iter().all(|component| component.seen) => {
            Ok((frame.components.len(), frame.progressive))
        }
        _ => Err(wrong(segments.place, "the picture ends, and not all of its components came")),
    }
}

/// The blocks of a frame.
struct Blocks {
    progressive: bool,
    /// The number of units, horizontally and vertically.
    units: [usize; 2],
    components: Vec<Component>,
}

struct Component {
    id: u8,
    /// The number of blocks of a unit, horizontally and vertically.
    factors: [usize; 2],
    /// The number of blocks that have pixels of the picture.
    size: [usize; 2],
    /// A bit for each nonzero coefficient of each block. Only needed if scans refine others.
    coefficients: Vec<u64>,
    seen: bool,
}

impl Blocks {
    fn of(frame: Frame) -> Blocks {
        let (most, units) = (frame.most(), frame.units());
        let pixels = [usize::from(frame.width), usize::from(frame.height)];
        let component = |(&id, &factors): (&u8, &[usize; 2])| {
            let size = [0, 1].map(|axis| (pixels[axis] * factors[axis]).div_ceil(8 * most[axis]));
            let blocks = if frame.progressive { units[0] * factors[0] * units[1] * factors[1] } else { 0 };
            Component { id, factors, size, coefficients: vec![0; blocks], seen: false }
        };
        let components = frame.ids.iter().zip(&frame.factors).map(component).collect();
        Blocks { progressive: frame.progressive, units, components }
    }
}

/// The current Huffman tables, DC and AC, and the restart interval in units; 0 means none.
#[derive(Default)]
struct Tables {
    codes: [[Option<Box<Codes>>; 4]; 2],
    restart_interval: u16,
}

impl Tables {
    fn define(&mut self, mut data: &[u8]) {
        while let Some((&[kind, ref counts @ ..], rest)) = data.split_first_chunk::<17>() {
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            let Some((symbols, rest)) = rest.split_at_checked(count) else { return };
            if let Some(place) =
                self.codes.get_mut(usize::from(kind >> 4)).and_then(|kinds| kinds.get_mut(usize::from(kind & 15)))
            {
                *place = Some(Box::new(Codes::new(counts, symbols)));
            }
            data = rest;
        }
    }
}

/// A Huffman table.
struct Codes {
    /// Length and symbol of the code, by its first 8 bits. The length is 0 for longer codes.
    short: [(u8, u8); 256],
    /// For each length from 1: the first 16-bit number whose code is longer, and the offset from a code to the index of
    /// its symbol.
    long: [(u32, i32); 16],
    symbols: Vec<u8>,
}

impl Codes {
    fn new(counts: &[u8], symbols: &[u8]) -> Codes {
        let mut codes = Codes { short: [(0, 0); 256], long: [(0, 0); 16], symbols: symbols.into() };
        let (mut code, mut place) = (0u32, 0usize);
        for (k, &count) in counts.iter().enumerate().take(16) {
            let length = k + 1;
            let offset = place as i32 - code as i32;
            for _ in 0..count {
                if length <= 8 {
                    let first = (code << (8 - length)) as usize;
                    let same = first.min(256)..(first + (1 << (8 - length))).min(256);
                    codes.short[same].fill((length as u8, symbols[place]));
                }
                (code, place) = (code + 1, place + 1);
            }
            codes.long[k] = (code << (16 - length), offset);
            code <<= 1;
        }
        codes
    }

    /// Reads a code and returns its symbol.
    fn next(&self, bits: &mut Bits) -> Result<u8, Problem> {
        bits.refill();
        let ahead = bits.ahead();
        let (length, symbol) = self.short[(ahead >> 8) as usize];
        if length > 0 {
            return bits.skip(length.into()).map(|()| symbol);
        }
        let longer = self.long.iter().enumerate().skip(8).find(|(_, (end, _))| ahead < *end);
        let symbol = longer.and_then(|(k, (_, offset))| {
            let code = (ahead >> (15 - k)) as i32;
            Some((k, *self.symbols.get(usize::try_from(code + offset).ok()?)?))
        });
        match symbol {
            Some((k, symbol)) => bits.skip(k as u32 + 1).map(|()| symbol),
            None if bits.count < 16 => bits.missing(),
            None => Err(wrong(bits.place, "the entropy-coded data before this place has a code that is in no table")),
        }
    }
}

/// A bit reader for entropy-coded data.
struct Bits<'a> {
    bytes: &'a [u8],
    /// The position of the next byte; that of a marker at the end of the data.
    place: usize,
    /// The next bits, from the most significant one.
    buffer: u64,
    count: u32,
}

impl Bits<'_> {
    fn new(bytes: &[u8], place: usize) -> Bits<'_> {
        Bits { bytes, place, buffer: 0, count: 0 }
    }

    /// Refills the buffer with at least 32 bits, enough for a code and its number, unless a marker comes first.
    #[inline]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        match self.bytes[self.place..].first_chunk::<4>() {
            Some(next) if !next.contains(&0xff) => {
                self.buffer |= u64::from(u32::from_be_bytes(*next)) << (32 - self.count);
                self.count += 32;
                self.place += 4;
            }
            _ => self.refill_by_bytes(),
        }
    }

    fn refill_by_bytes(&mut self) {
        while self.count <= 56 {
            let length = match self.bytes.get(self.place..) {
                Some([0xff, 0x00, ..]) => 2,
                Some([0xff, ..] | []) | None => return,
                Some(_) => 1,
            };
            self.buffer |= u64::from(self.bytes[self.place]) << (56 - self.count);
            self.count += 8;
            self.place += length;
        }
    }

    /// The next 16 bits, padded with zeros at the end.
    fn ahead(&self) -> u32 {
        (self.buffer >> 48) as u32
    }

    /// Consumes at most 16 bits.
    fn skip(&mut self, count: u32) -> Result<(), Problem> {
        if self.count < count {
            self.refill();
            if self.count < count {
                return self.missing();
            }
        }
        self.buffer <<= count;
        self.count -= count;
        Ok(())
    }

    /// Reads at most 15 bits as a number.
    fn number(&mut self, count: u32) -> Result<u32, Problem> {
        self.refill();
        let number = if count == 0 { 0 } else { self.ahead() >> (16 - count) };
        self.skip(count).map(|()| number)
    }

    fn missing<T>(&self) -> Result<T, Problem> {
        Err(wrong(self.place, "the data of the picture ends, and a part of the picture is missing"))
    }

    /// Skips to after the next restart marker.
    fn restart(&mut self) -> Result<(), Problem> {
        self.refill();
        while let Some([first, second, ..]) = self.bytes.get(self.place..) {
            match (first, second) {
                (0xff, 0xd0..=0xd7) => {
                    *self = Bits::new(self.bytes, self.place + 2);
                    return Ok(());
                }
                // Not a marker, or a fill byte before a marker.
                (0xff, 0x00 | 0xff) | (0..=0xfe, _) => self.place += 1,
                _ => break,
            }
        }
        self.missing()
    }
}

/// One scan: some coefficients of some components.
struct Scan {
    /// The components, by their indices in the frame, and their tables, DC and AC.
    components: Vec<(usize, [usize; 2])>,
    /// The first and the last coefficient in zigzag order.
    first: usize,
    last: usize,
    /// Whether the scan refines coefficients of earlier scans.
    refines: bool,
}

impl Scan {
    fn read(data: &[u8], frame: &mut Blocks) -> Option<Scan> {
        let (&count, rest) = data.split_first()?;
        let (components, rest) = rest.split_at_checked(2 * usize::from(count))?;
        let &[first, last, bits, ..] = rest else { return None };
        let mut found = Vec::new();
        for pair in components.as_chunks::<2>().0 {
            let place = frame.components.iter().position(|component| component.id == pair[0])?;
            frame.components[place].seen = true;
            found.push((place, [usize::from(pair[1] >> 4), usize::from(pair[1] & 15)]));
        }
        let range = if frame.progressive { (usize::from(first), usize::from(last).min(63)) } else { (0, 63) };
        let refines = frame.progressive && bits >> 4 > 0;
        (!found.is_empty()).then_some(Scan { components: found, first: range.0, last: range.1, refines })
    }

    /// Reads all blocks.
    fn read_blocks(&self, frame: &mut Blocks, tables: &Tables, bits: &mut Bits) -> Result<(), Problem> {
        let across = frame.units[0];
        let progressive = frame.progressive;
        // A scan of one component has its blocks row by row, and only those with pixels. A scan of several components
        // has them unit by unit.
        let alone = self.components.len() == 1;
        let units = match self.components[..] {
            [(place, _)] => frame.components[place].size,
            _ => frame.units,
        };
        let interval = usize::from(tables.restart_interval);
        let mut run = 0;
        for unit in 0..units[0] * units[1] {
            if interval > 0 && unit > 0 && unit % interval == 0 {
                bits.restart()?;
                run = 0;
            }
            let (row, column) = (unit / units[0], unit % units[0]);
            for &(place, kinds) in &self.components {
                let [dc, ac] = [0, 1].map(|kind| tables.codes[kind].get(kinds[kind]).and_then(Option::as_deref));
                let component = &mut frame.components[place];
                let [wide, high] = component.factors;
                let blocks = if alone { 1 } else { wide * high };
                for k in 0..blocks {
                    let (y, x) = if alone { (row, column) } else { (row * high + k / wide, column * wide + k % wide) };
                    let mut none = 0;
                    let mask = component.coefficients.get_mut(y * across * wide + x).unwrap_or(&mut none);
                    match (progressive, dc, ac) {
                        (false, Some(dc), Some(ac)) => {
                            coefficient(dc, bits)?;
                            self.first_coefficients(1, ac, bits, mask, &mut 0)?;
                        }
                        (true, _, _) if self.first == 0 && self.refines => bits.skip(1)?,
                        (true, Some(dc), _) if self.first == 0 => coefficient(dc, bits)?,
                        (true, _, Some(ac)) if self.first > 0 && self.refines => {
                            self.refine(ac, bits, mask, &mut run)?
                        }
                        (true, _, Some(ac)) if self.first > 0 => {
                            self.first_coefficients(self.first, ac, bits, mask, &mut run)?;
                        }
                        _ => return Err(wrong(bits.place, "a scan whose Huffman table was not defined")),
                    }
                }
            }
        }
        bits.refill();
        Ok(())
    }

    /// Reads coefficients for the first time. `run` is the number of following blocks that have none.
    fn first_coefficients(
        &self,
        from: usize,
        codes: &Codes,
        bits: &mut Bits,
        mask: &mut u64,
        run: &mut u32,
    ) -> Result<(), Problem> {
        if *run > 0 {
            *run -= 1;
            return Ok(());
        }
        let mut k = from;
        while k <= self.last {
            let symbol = codes.next(bits)?;
            let (zeros, size) = (symbol >> 4, symbol & 15);
            match (zeros, size) {
                (15, 0) => k += 16,
                (_, 0) => {
                    *run = (1 << zeros) - 1 + bits.number(zeros.into())?;
                    break;
                }
                _ => {
                    bits.skip(size.into())?;
                    k += usize::from(zeros);
                    *mask |= 1u64.checked_shl(k as u32).unwrap_or(0);
                    k += 1;
                }
            }
        }
        Ok(())
    }

    /// Reads another bit of nonzero coefficients, and new nonzero coefficients.
    fn refine(&self, codes: &Codes, bits: &mut Bits, mask: &mut u64, run: &mut u32) -> Result<(), Problem> {
        let is_set = |mask: u64, k: usize| mask >> k & 1 == 1;
        let mut k = self.first;
        while *run == 0 && k <= self.last {
            let symbol = codes.next(bits)?;
            let (mut zeros, size) = (symbol >> 4, symbol & 15);
            if size > 0 {
                // The sign of the new coefficient.
                bits.skip(1)?;
            } else if zeros < 15 {
                *run = (1 << zeros) + bits.number(zeros.into())?;
                break;
            }
            while k <= self.last {
                if is_set(*mask, k) {
                    bits.skip(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if size > 0 && k <= self.last {
                *mask |= 1 << k;
            }
            k += 1;
        }
        if *run > 0 {
            for k in k..=self.last {
                if is_set(*mask, k) {
                    bits.skip(1)?;
                }
            }
            *run -= 1;
        }
        Ok(())
    }
}

/// Reads a code and the bits of its number.
fn coefficient(codes: &Codes, bits: &mut Bits) -> Result<(), Problem> {
    let size = codes.next(bits)?;
    bits.skip((size & 15).into())
}

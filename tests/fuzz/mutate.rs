//! A small generator of changed inputs. Not random: the same seeds give the same inputs, so that a failure comes again.

/// Longer inputs only make runs slow; what a size limit guards has its own tests.
const MAX_INPUT: usize = 64 << 10;
/// Values at which arithmetic goes wrong.
const EDGES: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff];

/// Makes inputs from seeds and from words that mean something to the target.
pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static [u8]],
    state: u64,
}

impl Mutator {
    pub fn new(seeds: Vec<Vec<u8>>, words: &'static [&'static [u8]]) -> Mutator {
        Mutator { seeds, words, state: 0x9e37_79b9_7f4a_7c15 }
    }

    /// xorshift64*: enough to spread, and the same on every machine.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.random() % end.max(1) as u64) as usize
    }

    /// The next input: a seed with one to eight changes.
    pub fn next(&mut self) -> Vec<u8> {
        let which = self.below(self.seeds.len());
        let mut input = self.seeds[which].clone();
        for _ in 0..=self.below(8) {
            self.change(&mut input);
        }
        input.truncate(MAX_INPUT);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len());
        let end = at + self.below((input.len() - at).min(600));
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.random() as u8,
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            4 => input.truncate(at),
            5 => {
                let which = self.below(self.seeds.len());
                let from = self.below(self.seeds[which].len());
                let tail = self.seeds[which][from..].to_vec();
                input.splice(at.., tail);
            }
            6 => {
                let value = EDGES[self.below(EDGES.len())].to_le_bytes();
                let width = 1 << self.below(4);
                let end = (at + width).min(input.len());
                input.splice(at..end, value[..width].iter().copied());
            }
            7 => {
                let value = EDGES[self.below(EDGES.len())].to_string();
                input.splice(at..at, value.bytes());
            }
            _ if !self.words.is_empty() => {
                let word = self.words[self.below(self.words.len())];
                let end = if self.below(2) == 0 { at } else { (at + word.len()).min(input.len()) };
                input.splice(at..end, word.iter().copied());
            }
            _ => {}
        }
    }
}

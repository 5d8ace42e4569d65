//! A small transformer that learns to generate text, character by character, from eleven chapters of *Around the World
//! in Eighty Days*.
//!
//! It is trained on the first nine tenths of the text and tested on the rest. The loss is in nats per character. For
//! comparison, the program prints the cross-entropy of a model that knows only the frequencies of characters.
//!
//! ```text
//! cargo run --release --example char_gpt -- --temperature 0.7
//! ```

mod say;

use clap::Parser;
use facade::data::Window;
use facade::data::text::{self, CharVocabulary};
use facade::prelude::*;

use say::say;

const TEXT: &str = include_str!("data/eighty_days.txt");
const WIDTH: usize = 96;
/// The number of previous characters that the model sees.
const CONTEXT: usize = 64;

/// Trains a transformer on the characters of a novel and generates text
#[derive(Parser)]
struct Options {
    /// Steps of AdamW
    #[arg(long, default_value_t = 1500)]
    steps: u64,
    /// Excerpts of 64 characters per step
    #[arg(long, default_value_t = 16)]
    batch_size: usize,
    /// The maximum learning rate: warm-up over a tenth of the steps, then cosine decay
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
    /// Sampling temperature, above 0: lower values prefer likely characters
    #[arg(long, default_value_t = 0.8, value_parser = positive)]
    temperature: f64,
    /// How many characters to write
    #[arg(long, default_value_t = 400)]
    characters: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|&number: &f64| number > 0.0).ok_or("must be a number above 0".into())
}

fn main() -> Result<()> {
    let options = Options::parse();
    random::seed(options.seed);
    let vocabulary = CharVocabulary::from_text(TEXT);
    let tokens = vocabulary.encode(TEXT)?;
    let (train, test) = tokens.split_at(tokens.len() * 9 / 10);
    let excerpts = text::next_tokens(train, Window::new(CONTEXT))?;
    let test_excerpts = text::next_tokens(test, Window::new(CONTEXT).shift(CONTEXT))?;

    let mut model =
        Sequential::new().add(Embedding::new(vocabulary.len(), WIDTH)).add(PositionEmbedding::new(CONTEXT, WIDTH));
    for _ in 0..3 {
        let block = TransformerEncoder::new(WIDTH, 4, 4 * WIDTH).norm_first().causal();
        model.push(block.activation(Activation::GeluTanh));
    }
    let model = model.add(LayerNorm::new(WIDTH)).add(Dense::new(WIDTH, vocabulary.len()));
    say!("{} characters, {} of them distinct, {} parameters", tokens.len(), vocabulary.len(), model.parameter_count());

    let mut draws = random::fork("excerpts");
    let weights = model.trainable_weights();
    let warm_up = options.steps / 10;
    let cosine = schedules::Cosine::new(options.learning_rate, (options.steps - warm_up).max(1));
    let mut adam_w = AdamW::new(cosine.warm_up(warm_up)).clip_global_norm(1.0);
    for step in 0..options.steps {
        let drawn = draws.integers([options.batch_size], 0..excerpts.len() as i64)?.to_vec::<i64>()?;
        let drawn: Vec<usize> = drawn.into_iter().map(|number| number as usize).collect();
        let tape = GradientTape::new();
        let loss = loss(&model, &excerpts.gather(0, &drawn)?, Mode::Training)?;
        adam_w.apply(&weights, &tape.gradient(&loss, &weights)?)?;
        if step % 200 == 0 {
            say!("step {step}: loss {:.3}", loss.item()?);
        }
    }

    let all = test_excerpts.range(0, 0..test_excerpts.len())?;
    say!("test loss {:.3} nats per character", loss(&model, &all, Mode::Inference)?.item()?);
    say!("with character frequencies alone: {:.3}\n", unigram_loss(vocabulary.len(), train, test));
    say!("{}", write(&model, &vocabulary, &options)?);
    Ok(())
}

/// The mean cross-entropy of each next character.
fn loss(model: &Sequential, excerpts: &Batch, mode: Mode) -> Result<Tensor> {
    let logits = model.forward(&excerpts.features, mode)?;
    Ok(sparse_categorical_crossentropy_from_logits(&excerpts.targets, &logits)?.mean())
}

/// The cross-entropy of the characters of `test` under their frequencies in `train`, with 1 added to each count so that
/// no character has probability 0.
fn unigram_loss(kinds: usize, train: &[i64], test: &[i64]) -> f64 {
    let mut counts = vec![1.0; kinds];
    train.iter().for_each(|&token| counts[token as usize] += 1.0);
    let total: f64 = counts.iter().sum();
    -test.iter().map(|&token| (counts[token as usize] / total).ln()).sum::<f64>() / test.len() as f64
}

/// Text that begins at a new line, with each character sampled from the prediction of the model.
fn write(model: &Sequential, vocabulary: &CharVocabulary, options: &Options) -> Result<String> {
    let mut draws = random::fork("writing");
    let mut written = vocabulary.encode("\n")?;
    while written.len() <= options.characters {
        let seen = &written[written.len().saturating_sub(CONTEXT)..];
        let logits = model.forward(&Tensor::from_vec(seen.to_vec(), [1, seen.len()])?, Mode::Inference)?;
        let next = (logits.slice((.., -1..))? / options.temperature).softmax(-1)?.to_vec::<f32>()?;
        let mut left = draws.uniform([], 0.0..1.0)?.item()?;
        let drawn = next.iter().position(|&chance| {
            left -= f64::from(chance);
            left < 0.0
        });
        // By rounding, the probabilities may sum to slightly less than 1.
        written.push(drawn.unwrap_or(next.len() - 1) as i64);
    }
    vocabulary.decode(&written[1..])
}

//! Writes events for `tests/golden/read_tensorboard.py`, which reads them with TensorBoard itself.

use train::{Result, TensorBoard};

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "events".into());
    let mut log = TensorBoard::create(folder)?;
    for epoch in 0..300 {
        let loss = 1.0 / (1.0 + epoch as f64);
        log.write(epoch, &[("loss", loss), ("val_loss", 2.0 * loss), ("accuracy é", 1.0 - loss)])?;
    }
    Ok(())
}

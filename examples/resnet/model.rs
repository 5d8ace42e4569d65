//! The residual network of He et al. (*Deep Residual Learning for Image Recognition*, 2015, section 4.2) for images of
//! 32 × 32 pixels, as a custom layer.

use facade::prelude::*;

/// A 3×3 convolution with 16 filters; three groups of blocks with 16, 32 and 64 filters, where the last two groups
/// begin with stride 2; the mean over all positions; a dense layer with one logit per class. `6 · blocks + 2` layers
/// have weights, not counting shortcuts.
pub(crate) struct ResNet {
    stem: Convolution,
    blocks: Vec<Block>,
    head: Dense,
}

impl ResNet {
    /// A network with this many blocks in each of the three groups; 3 for ResNet-20.
    pub(crate) fn new(channels: usize, blocks: usize, classes: usize) -> ResNet {
        let mut inputs = 16;
        let groups = [(16, 1), (32, 2), (64, 2)];
        let blocks = groups
            .into_iter()
            .flat_map(|(filters, stride)| (0..blocks).map(move |block| (filters, if block == 0 { stride } else { 1 })));
        let blocks =
            blocks.map(|(filters, stride)| Block::new(std::mem::replace(&mut inputs, filters), filters, stride));
        ResNet { stem: Convolution::new(channels, 16, 3, 1), blocks: blocks.collect(), head: Dense::new(64, classes) }
    }
}

impl Layer for ResNet {
    /// Returns logits `[batch, classes]` for images `[batch, height, width, channels]`.
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = self.stem.call("stem", input, mode)?.relu();
        for (number, block) in self.blocks.iter().enumerate() {
            x = block.call(&format!("blocks.{number}"), &x, mode)?;
        }
        self.head.call("head", &x.mean_axis([1, 2])?, mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.layer("stem", &self.stem);
        for (number, block) in self.blocks.iter().enumerate() {
            visitor.layer(&format!("blocks.{number}"), block);
        }
        visitor.layer("head", &self.head);
    }
}

/// Two convolutions with a shortcut that adds the input to the output, through a 1×1 convolution if the shape changes.
struct Block {
    first: Convolution,
    second: Convolution,
    shortcut: Option<Convolution>,
}

impl Block {
    fn new(inputs: usize, filters: usize, stride: usize) -> Block {
        let projects = inputs != filters || stride != 1;
        Block {
            first: Convolution::new(inputs, filters, 3, stride),
            second: Convolution::new(filters, filters, 3, 1),
            shortcut: projects.then(|| Convolution::new(inputs, filters, 1, stride)),
        }
    }
}

impl Layer for Block {
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        let x = self.first.call("first", input, mode)?.relu();
        let x = self.second.call("second", &x, mode)?;
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.call("shortcut", input, mode)?,
            None => input.clone(),
        };
        Ok(x.try_add(shortcut)?.relu())
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.layer("first", &self.first);
        visitor.layer("second", &self.second);
        if let Some(shortcut) = &self.shortcut {
            visitor.layer("shortcut", shortcut);
        }
    }
}

/// A convolution with batch normalization; the output has the size of the input divided by the stride.
struct Convolution {
    convolution: Conv2d,
    normalization: BatchNorm,
}

impl Convolution {
    fn new(inputs: usize, filters: usize, size: usize, stride: usize) -> Convolution {
        let around = size / 2;
        Convolution {
            convolution: Conv2d::new(inputs, filters, [size, size])
                .stride([stride, stride])
                .padding(Padding::Explicit([(around, around); 2]))
                .kernel_initializer(Initializer::HeNormal)
                .without_bias(),
            normalization: BatchNorm::new(filters).momentum(0.9).epsilon(1e-5),
        }
    }
}

impl Layer for Convolution {
    fn forward(&self, input: &Tensor, mode: Mode) -> Result<Tensor> {
        let x = self.convolution.call("convolution", input, mode)?;
        self.normalization.call("normalization", &x, mode)
    }

    fn visit(&self, visitor: &mut Visitor) {
        visitor.layer("convolution", &self.convolution);
        visitor.layer("normalization", &self.normalization);
    }
}

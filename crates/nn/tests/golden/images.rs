//! Convolutions, pooling and other layers of images and sequences, with channels first as in PyTorch.

use std::sync::Arc;

use autograd::GradientTape;
use nn::layers::*;
use nn::{Layer, Mode};
use serde_json::Value;
use tensor::ops::Padding;
use tensor::{DType, Tensor};

use crate::cases::{assert_close, cases, tensor};

struct Attributes<'a>(&'a Value);

impl Attributes<'_> {
    fn size(&self, key: &str) -> usize {
        self.0[key].as_u64().unwrap() as usize
    }

    fn sizes<const N: usize>(&self, key: &str) -> [usize; N] {
        std::array::from_fn(|k| self.0[key][k].as_u64().unwrap() as usize)
    }

    fn pairs<const N: usize>(&self) -> [(usize, usize); N] {
        std::array::from_fn(|k| {
            let pair = &self.0["padding"][k];
            (pair[0].as_u64().unwrap() as usize, pair[1].as_u64().unwrap() as usize)
        })
    }

    fn padding<const N: usize>(&self) -> Padding<N> {
        match self.0["padding"].as_str() {
            Some("valid") => Padding::Valid,
            Some("same") => Padding::Same,
            Some(other) => panic!("an unknown padding {other}"),
            None => Padding::Explicit(self.pairs()),
        }
    }
}

/// A layer with the options of all convolutions.
macro_rules! windowed {
    ($layer:expr, $attributes:ident) => {
        $layer
            .stride($attributes.sizes("stride"))
            .padding($attributes.padding())
            .dilation($attributes.sizes("dilation"))
    };
}

/// The layer of a case, for channels last.
fn layer(name: &str, a: &Attributes) -> Arc<dyn Layer> {
    let (channels, filters) = (|| a.size("channels"), || a.size("filters"));
    match name {
        "conv1d" => {
            Arc::new(windowed!(Conv1d::new(channels(), filters(), a.sizes("size")), a).groups(a.size("groups")))
        }
        "conv2d" => {
            Arc::new(windowed!(Conv2d::new(channels(), filters(), a.sizes("size")), a).groups(a.size("groups")))
        }
        "depthwise_conv1d" => {
            let layer = DepthwiseConv1d::new(channels(), a.sizes("size")).depth_multiplier(a.size("multiplier"));
            Arc::new(windowed!(layer, a))
        }
        "depthwise_conv2d" => {
            let layer = DepthwiseConv2d::new(channels(), a.sizes("size")).depth_multiplier(a.size("multiplier"));
            Arc::new(windowed!(layer, a))
        }
        "separable_conv1d" => {
            let layer = SeparableConv1d::new(channels(), filters(), a.sizes("size"));
            Arc::new(windowed!(layer, a).depth_multiplier(a.size("multiplier")))
        }
        "separable_conv2d" => {
            let layer = SeparableConv2d::new(channels(), filters(), a.sizes("size"));
            Arc::new(windowed!(layer, a).depth_multiplier(a.size("multiplier")))
        }
        "conv_transpose1d" => {
            let layer = ConvTranspose1d::new(channels(), filters(), a.sizes("size")).groups(a.size("groups"));
            Arc::new(windowed!(layer, a).output_padding(a.sizes("output_padding")))
        }
        "conv_transpose2d" => {
            let layer = ConvTranspose2d::new(channels(), filters(), a.sizes("size")).groups(a.size("groups"));
            Arc::new(windowed!(layer, a).output_padding(a.sizes("output_padding")))
        }
        "max_pool1d" => Arc::new(MaxPool1d::new(a.sizes("size")).stride(a.sizes("stride")).padding(a.padding())),
        "max_pool2d" => Arc::new(MaxPool2d::new(a.sizes("size")).stride(a.sizes("stride")).padding(a.padding())),
        "average_pool1d" => {
            Arc::new(AveragePool1d::new(a.sizes("size")).stride(a.sizes("stride")).padding(a.padding()))
        }
        "average_pool2d" => {
            Arc::new(AveragePool2d::new(a.sizes("size")).stride(a.sizes("stride")).padding(a.padding()))
        }
        "zero_padding1d" => Arc::new(ZeroPadding1d::new(a.pairs::<1>()[0])),
        "zero_padding2d" => {
            let [rows, columns] = a.pairs();
            Arc::new(ZeroPadding2d::new(rows, columns))
        }
        "cropping1d" => Arc::new(Cropping1d::new(a.pairs::<1>()[0])),
        "cropping2d" => {
            let [rows, columns] = a.pairs();
            Arc::new(Cropping2d::new(rows, columns))
        }
        "up_sampling1d" => Arc::new(UpSampling1d::new(a.sizes::<1>("factors")[0])),
        "up_sampling2d" => {
            let [rows, columns] = a.sizes("factors");
            let bilinear = a.0["mode"] == "bilinear";
            let interpolation = if bilinear { Interpolation::Bilinear } else { Interpolation::Nearest };
            Arc::new(UpSampling2d::new(rows, columns).interpolation(interpolation))
        }
        "global_max_pool1d" => Arc::new(GlobalMaxPool1d),
        "global_max_pool2d" => Arc::new(GlobalMaxPool2d),
        "global_average_pool1d" => Arc::new(GlobalAveragePool1d),
        "global_average_pool2d" => Arc::new(GlobalAveragePool2d),
        "batch_norm" => Arc::new(BatchNorm::new(channels()).epsilon(a.0["epsilon"].as_f64().unwrap())),
        "group_norm" => {
            Arc::new(GroupNorm::new(channels(), a.size("groups")).epsilon(a.0["epsilon"].as_f64().unwrap()))
        }
        "instance_norm" => {
            let layer = InstanceNorm::new(channels()).epsilon(a.0["epsilon"].as_f64().unwrap());
            Arc::new(if a.0["affine"] == true { layer.affine() } else { layer })
        }
        "unit_normalization" => Arc::new(UnitNormalization::default()),
        other => panic!("an unknown layer {other}"),
    }
}

#[test]
fn layers_with_channels_first_agree_with_pytorch() {
    let cases = cases(include_str!("images.json"));
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let inner = layer(name.split('/').next().unwrap(), &Attributes(&case["attrs"]));
        inner.cast(DType::F64).unwrap();
        let weights = case["weights"].as_object().unwrap();
        let trainable = inner.named_weights().into_iter().filter(|(_, weight)| weight.is_trainable()).count();
        assert_eq!(trainable, weights.len(), "{name}");
        for (key, value) in weights {
            inner.weight(key).unwrap().assign(tensor(value)).unwrap();
        }
        let layer = ChannelsFirst::new(inner.clone());

        let (x, cotangent) = (tensor(&case["x"]), tensor(&case["cotangent"]));
        let tape = GradientTape::persistent();
        tape.watch(&x);
        let y = layer.forward(&x, Mode::Training).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_close(&y, &tensor(&case["y"]), name);
        let loss = (&y * cotangent).sum();
        assert_close(
            &tape.gradient(&loss, &x).unwrap(),
            &tensor(&case["x_gradient"]),
            &format!("{name}, gradient of x"),
        );
        for (key, expected) in case["gradients"].as_object().unwrap() {
            let gradient = tape.gradient(&loss, &inner.weight(key).unwrap()).unwrap();
            assert_close(&gradient, &tensor(expected), &format!("{name}, gradient of {key}"));
        }

        // The layer itself, with channels last.
        let last = inner.forward(&x.channels_last().unwrap(), Mode::Training).unwrap();
        assert_close(&last.channels_first().unwrap(), &y, name);
    }
    assert_eq!(cases.len(), 40);
}

#[test]
fn batch_norm_along_the_second_axis_is_that_of_channels_first() {
    let x: Tensor = tensor::Generator::new(1).normal([4, 3, 5, 2], 1.0, 2.0).unwrap().cast(DType::F64);
    let by_axis = BatchNorm::default().axis(1).forward(&x, Mode::Training).unwrap();
    let by_layout = ChannelsFirst::new(BatchNorm::default()).forward(&x, Mode::Training).unwrap();
    assert_close(&by_axis, &by_layout, "batch_norm");
}

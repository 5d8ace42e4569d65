"""The reference run in TensorFlow (CPU): a two-layer classifier on MNIST,
trained by hand with GradientTape and plain gradient descent.

usage: python peer_tensorflow.py [--epochs N] [--function] [--mnist DIR]

Prints one line of JSON: the seconds of the training loop, the first and last loss
of each epoch, and the test accuracy. --function compiles the step with tf.function.
"""
import argparse, gzip, json, os, time
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--function", action="store_true")
parser.add_argument("--mnist", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../crates/data/assets/mnist"))
args = parser.parse_args()
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(args.threads)
tf.config.threading.set_inter_op_parallelism_threads(1)


def idx(name, header):
    with gzip.open(os.path.join(args.mnist, name)) as f:
        return np.frombuffer(f.read(), np.uint8, offset=header)


def images(name):
    return idx(name, 16).reshape(-1, 784).astype("float32") / 255


train_x, train_y = images("train-images-idx3-ubyte.gz"), idx("train-labels-idx1-ubyte.gz", 8)
test_x, test_y = images("t10k-images-idx3-ubyte.gz"), idx("t10k-labels-idx1-ubyte.gz", 8)

tf.random.set_seed(0)
sizes = [(784, 512), (512, 10)]
weights = [v for i, o in sizes for v in (tf.Variable(tf.random.uniform((i, o), 0, 0.1)), tf.Variable(tf.zeros((o,))))]


def predict(x):
    hidden = tf.nn.relu(tf.matmul(x, weights[0]) + weights[1])
    return tf.nn.softmax(tf.matmul(hidden, weights[2]) + weights[3])


def step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy(y, predict(x)))
    for w, g in zip(weights, tape.gradient(loss, weights)):
        w.assign_sub(1e-3 * g)
    return loss


run = tf.function(step, reduce_retracing=True) if args.function else step
losses, start = [], time.perf_counter()
for epoch in range(args.epochs):
    for k in range(0, 60000, 128):
        loss = float(run(train_x[k:k + 128], train_y[k:k + 128]))
        if k == 0 or k + 128 >= 60000:
            losses.append(round(loss, 3))
seconds = time.perf_counter() - start
accuracy = float((np.argmax(predict(test_x).numpy(), 1) == test_y).mean())
print(json.dumps(dict(framework="tensorflow-function" if args.function else "tensorflow-eager", version=tf.__version__,
                      workload="reference", threads=args.threads, epochs=args.epochs, seconds=round(seconds, 2),
                      step_ms=round(seconds / args.epochs / 469 * 1e3, 3), losses=losses, accuracy=round(accuracy, 4))))

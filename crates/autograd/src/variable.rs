//! Trainable state.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};

use tensor::recorder;
use tensor::{Argument, DType, Error, Float, Operand, Result, Shape, Tensor, Update, no_record, update};

/// A tensor that can be changed and has an identity, such as a weight.
///
/// Clones refer to the same variable. On a tape, each read is a leaf. The gradient for the variable is the sum over all
/// its reads, whatever is assigned before, between or after them.
///
/// A variable can be an operand or argument (`2.0 * &w`, `x.matmul(&w)?`). To call a method, read the value first:
/// `w.value().square()`.
#[derive(Clone)]
pub struct Variable(Arc<Inner>);

/// A reference to a [`Variable`] that does not keep it alive.
#[derive(Clone)]
pub struct WeakVariable(Weak<Inner>);

impl WeakVariable {
    /// Returns the variable, if a [`Variable`] still refers to it.
    pub fn upgrade(&self) -> Option<Variable> {
        self.0.upgrade().map(Variable)
    }
}

struct Inner {
    number: u32,
    name: Mutex<Option<Arc<str>>>,
    trainable: AtomicBool,
    value: RwLock<Tensor>,
}

static NUMBERS: AtomicU32 = AtomicU32::new(1);
/// All variables by number, to find the variable that a value was read from.
static VARIABLES: LazyLock<Mutex<HashMap<u32, Weak<Inner>>>> = LazyLock::new(Mutex::default);

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&VARIABLES).remove(&self.number);
    }
}

// A poisoned lock is fine: values are replaced as a whole, so a panic leaves none half-written.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The variable with this number, if it still exists.
pub(crate) fn find(number: u32) -> Option<Variable> {
    lock(&VARIABLES).get(&number).and_then(Weak::upgrade).map(Variable)
}

/// The name of the variable with this number.
pub(crate) fn name_of(number: u32) -> String {
    find(number).map_or_else(|| format!("variable_{number}"), |variable| variable.name())
}

impl Variable {
    /// Creates a trainable variable with an initial value, which is detached from what it was computed from.
    pub fn new(value: impl Into<Tensor>) -> Variable {
        let inner = Arc::new(Inner {
            number: NUMBERS.fetch_add(1, Relaxed),
            name: Mutex::default(),
            trainable: AtomicBool::new(true),
            value: RwLock::new(value.into().stop_gradient()),
        });
        lock(&VARIABLES).insert(inner.number, Arc::downgrade(&inner));
        Variable(inner)
    }

    /// This variable, with a name. See [`set_name`](Variable::set_name).
    #[must_use = "`set_name` sets the name without returning the variable"]
    pub fn with_name(self, name: impl Into<Arc<str>>) -> Variable {
        self.set_name(name);
        self
    }

    /// Sets the name that errors and tapes print, for all clones. The default is `variable_` and a number.
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        *lock(&self.0.name) = Some(name.into());
    }

    /// The name.
    pub fn name(&self) -> String {
        let name = lock(&self.0.name).clone();
        name.map_or_else(|| format!("variable_{}", self.0.number), |name| name.to_string())
    }

    /// A number that is unique among the variables of the process. Clones share it.
    pub fn id(&self) -> u32 {
        self.0.number
    }

    /// Returns a reference that does not keep the variable alive. Optimizers use it for the states of a variable.
    pub fn downgrade(&self) -> WeakVariable {
        WeakVariable(Arc::downgrade(&self.0))
    }

    /// Sets whether tapes watch the variable automatically. A variable that is not trainable is a constant, unless it is
    /// passed to `watch`.
    pub fn set_trainable(&self, trainable: bool) {
        self.0.trainable.store(trainable, Relaxed);
    }

    /// Whether tapes watch the variable automatically. The default is `true`.
    pub fn is_trainable(&self) -> bool {
        self.0.trainable.load(Relaxed)
    }

    /// Reads the value. Each read is a leaf on the tapes of this thread.
    pub fn value(&self) -> Tensor {
        let id = recorder::read_variable(self.0.number, self.is_trainable());
        self.read().with_value_id(id)
    }

    /// The shape of the value.
    pub fn shape(&self) -> Shape {
        self.read().shape().clone()
    }

    /// The element type of the value.
    pub fn dtype(&self) -> DType {
        self.read().dtype()
    }

    /// Replaces the value.
    ///
    /// # Errors
    /// Returns an error if `value` has a different shape or element type than the variable.
    #[track_caller]
    pub fn assign(&self, value: impl Operand) -> Result<()> {
        let value = self.operand(value, "assign")?;
        *self.write() = value.stop_gradient();
        Ok(())
    }

    /// Adds `value` in place.
    ///
    /// # Errors
    /// Returns an error if `value` has a different shape or element type than the variable.
    #[track_caller]
    pub fn assign_add(&self, value: impl Operand) -> Result<()> {
        #[derive(Clone, Copy)]
        struct Sum;
        impl Update<0> for Sum {
            #[inline(always)]
            fn element<T: Float>(&self, p: T, g: T, []: [T; 0]) -> (T, [T; 0]) {
                (p + g, [])
            }
        }
        let value = self.operand(value, "assign_add")?;
        self.update(&value, [], &Sum)
    }

    /// Subtracts `value` in place.
    ///
    /// # Errors
    /// Returns an error if `value` has a different shape or element type than the variable.
    #[track_caller]
    pub fn assign_sub(&self, value: impl Operand) -> Result<()> {
        #[derive(Clone, Copy)]
        struct Difference;
        impl Update<0> for Difference {
            #[inline(always)]
            fn element<T: Float>(&self, p: T, g: T, []: [T; 0]) -> (T, [T; 0]) {
                (p - g, [])
            }
        }
        let value = self.operand(value, "assign_sub")?;
        self.update(&value, [], &Difference)
    }

    /// Applies the update rule of an optimizer to each element of the value and of its states. The update is never
    /// recorded. States are updated in place if they are not shared.
    ///
    /// A concurrent read returns the old value. If another thread changes the value during the update, the difference
    /// that this update makes is added to the changed value.
    ///
    /// # Errors
    /// Returns an error if shapes or element types differ. Then nothing is changed.
    #[track_caller]
    pub fn update<const S: usize>(
        &self,
        gradient: &Tensor,
        states: [&mut Tensor; S],
        rule: &impl Update<S>,
    ) -> Result<()> {
        // No lock is held during the parallel update: a waiting thread may run a task that reads this variable.
        let mut before = self.read().clone();
        let mut after = update(&before, gradient, states, rule).map_err(|error| error.context(self.name()))?;
        loop {
            let now = {
                let mut value = self.write();
                if value.value_id().number() == before.value_id().number() {
                    *value = after;
                    return Ok(());
                }
                value.clone()
            };
            after = no_record(|| now.try_add(after.try_sub(&before)?.cast(now.dtype())))?;
            before = now;
        }
    }

    /// Converts the value to another floating type, for example to check a model in float64.
    ///
    /// # Errors
    /// Returns an error if the type of the value, or `dtype`, is not floating.
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Result<()> {
        loop {
            let before = self.read().clone();
            if let Some(wrong) = [before.dtype(), dtype].into_iter().find(|dtype| !dtype.is_float()) {
                return Err(Error::dtype("cast", wrong, "a floating type").context(self.name()));
            }
            let after = no_record(|| before.cast(dtype));
            let mut value = self.write();
            // Start again if another thread has changed the value.
            if value.value_id().number() == before.value_id().number() {
                *value = after;
                return Ok(());
            }
        }
    }

    fn operand(&self, value: impl Operand, operation: &str) -> Result<Tensor> {
        let (shape, dtype) = (self.shape(), self.dtype());
        let value = match value.argument() {
            Argument::Tensor(tensor) => tensor.into_owned(),
            Argument::Number(number) => {
                let value = self.read().stop_gradient();
                value.zeros_like().try_add(number)?
            }
        };
        if *value.shape() != shape {
            let expected = format!("the variable has shape {shape}");
            return Err(Error::shape(operation, value.shape(), expected).context(self.name()));
        }
        if value.dtype() != dtype {
            return Err(Error::dtypes(operation, value.dtype(), dtype).context(self.name()));
        }
        Ok(value)
    }

    fn read(&self) -> impl std::ops::Deref<Target = Tensor> + '_ {
        self.0.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> impl std::ops::DerefMut<Target = Tensor> + '_ {
        self.0.value.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Variable({}, shape={}, dtype={})", self.name(), self.shape(), self.dtype())
    }
}

impl Operand for Variable {
    fn argument(&self) -> Argument<'_> {
        Argument::Tensor(Cow::Owned(self.value()))
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident),*) => {$(
        impl<O: Operand> $trait<O> for &Variable {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: O) -> Tensor {
                self.value().$method(other)
            }
        }

        operators!(@left $trait $method f64);
        operators!(@left $trait $method i64);
    )*};
    (@left $trait:ident $method:ident $number:ty) => {
        impl $trait<&Variable> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, variable: &Variable) -> Tensor {
                self.$method(variable.value())
            }
        }
    };
}

operators!(Add add, Sub sub, Mul mul, Div div);

impl Neg for &Variable {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        -self.value()
    }
}

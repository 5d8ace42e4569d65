//! Trainable state.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};

use tensor::recorder;
use tensor::{Argument, DType, Error, Float, Operand, Result, Shape, Tensor, Update, no_record, update};

/// A value that training changes: a tensor in a place with an identity.
///
/// Clones are the same variable. Each read on a tape is a leaf of it; the gradient for the variable
/// is the sum over all reads, whatever was assigned before, between or after.
///
/// It may stand as operand or argument (`2.0 * &w`, `x.matmul(&w)?`); for methods, read it:
/// `w.value().square()`.
#[derive(Clone)]
pub struct Variable(Arc<Inner>);

/// A reference to a [`Variable`] that does not keep it alive.
#[derive(Clone)]
pub struct WeakVariable(Weak<Inner>);

impl WeakVariable {
    /// The variable, if anybody else still holds it.
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
/// All variables by number, for whoever has only a value that was read from one.
static VARIABLES: LazyLock<Mutex<HashMap<u32, Weak<Inner>>>> = LazyLock::new(Mutex::default);

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&VARIABLES).remove(&self.number);
    }
}

// A panic while a lock was held left whole values behind: they are replaced as such.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The variable with this number, while anybody holds it.
pub(crate) fn find(number: u32) -> Option<Variable> {
    lock(&VARIABLES).get(&number).and_then(Weak::upgrade).map(Variable)
}

/// The name of the variable with this number.
pub(crate) fn name_of(number: u32) -> String {
    find(number).map_or_else(|| format!("variable_{number}"), |variable| variable.name())
}

impl Variable {
    /// A trainable variable. Its value starts as `value`, detached from whatever that was computed
    /// from.
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

    /// Its name.
    pub fn name(&self) -> String {
        let name = lock(&self.0.name).clone();
        name.map_or_else(|| format!("variable_{}", self.0.number), |name| name.to_string())
    }

    /// The number that tells it from every other variable of this process: clones share it.
    pub fn id(&self) -> u32 {
        self.0.number
    }

    /// A reference that does not keep the variable alive, for what belongs to it elsewhere: the
    /// states of an optimizer.
    pub fn downgrade(&self) -> WeakVariable {
        WeakVariable(Arc::downgrade(&self.0))
    }

    /// Sets whether tapes watch it by themselves. One that is not trainable is a constant unless a
    /// tape is told to watch it.
    pub fn set_trainable(&self, trainable: bool) {
        self.0.trainable.store(trainable, Relaxed);
    }

    /// Whether tapes watch it by themselves; true for a new variable.
    pub fn is_trainable(&self) -> bool {
        self.0.trainable.load(Relaxed)
    }

    /// Reads the value: on every tape of this thread a leaf of this variable.
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
    /// If shape or element type differ from the present ones.
    #[track_caller]
    pub fn assign(&self, value: impl Operand) -> Result<()> {
        let value = self.operand(value, "assign")?;
        *self.write() = value.stop_gradient();
        Ok(())
    }

    /// Adds to the value.
    ///
    /// # Errors
    /// If shape or element type differ from those of the value.
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

    /// Subtracts from the value.
    ///
    /// # Errors
    /// If shape or element type differ from those of the value.
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

    /// Changes every element of the value and of some states by the formula of an optimizer. Never
    /// recorded. States change in place where nobody else holds them. Whoever reads the value
    /// meanwhile reads the old one; if another thread changes it, this step is added to that.
    ///
    /// # Errors
    /// If shapes or element types differ; then nothing was changed.
    #[track_caller]
    pub fn update<const S: usize>(
        &self,
        gradient: &Tensor,
        states: [&mut Tensor; S],
        rule: &impl Update<S>,
    ) -> Result<()> {
        // No lock is held while threads work: one that waits for others may run a task that reads
        // this variable.
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

    /// Converts the value to another floating type, to check a model in float64 for example.
    ///
    /// # Errors
    /// If `dtype` or that of the value is not floating.
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Result<()> {
        loop {
            let before = self.read().clone();
            if let Some(wrong) = [before.dtype(), dtype].into_iter().find(|dtype| !dtype.is_float()) {
                return Err(Error::dtype("cast", wrong, "a floating type").context(self.name()));
            }
            let after = no_record(|| before.cast(dtype));
            let mut value = self.write();
            // Unless another thread changed it meanwhile.
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
            let expected = format!("must be that of the variable, {shape}");
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

use super::*;

#[test]
fn sums_and_products_keep_what_rounding_takes() {
    let tiny = f64::EPSILON / 4.0;
    assert_eq!(exact_sum(1.0, tiny), (1.0, tiny));
    assert_eq!(exact_sum(tiny, -1.0), (-1.0, tiny));
    let x = 1.0 + f64::EPSILON;
    assert_eq!(exact_product(x, x), (1.0 + 2.0 * f64::EPSILON, f64::EPSILON * f64::EPSILON));
}

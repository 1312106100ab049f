//! Eigenvalues of symmetric 3 × 3 matrices.

/// The eigenvalues of the matrix with these xx, yy, zz, xy, xz, yz, the largest first.
///
/// From the angle whose cosine is half the determinant of the matrix less its mean, scaled (Smith 1961, Communications of the ACM 4, 168). Errors are
/// some 1e-8 of the largest where two are equal, and 1e-15 elsewhere.
pub(crate) fn eigenvalues([xx, yy, zz, xy, xz, yz]: [f64; 6]) -> [f64; 3] {
    let mean = (xx + yy + zz) / 3.0;
    let [a, b, c] = [xx - mean, yy - mean, zz - mean];
    let size = ((a * a + b * b + c * c + 2.0 * (xy * xy + xz * xz + yz * yz)) / 6.0).sqrt();
    if size == 0.0 {
        return [mean; 3];
    }
    let [a, b, c, d, e, f] = [a, b, c, xy, xz, yz].map(|x| x / size);
    let half = (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)) / 2.0;
    let angle = half.clamp(-1.0, 1.0).acos() / 3.0;
    let largest = mean + 2.0 * size * angle.cos();
    let smallest = mean + 2.0 * size * (angle + 2.0 * std::f64::consts::FRAC_PI_3).cos();
    [largest, 3.0 * mean - largest - smallest, smallest]
}

/// The same, slowly: rotates what is outside the diagonal away until there is none (Jacobi 1846).
#[cfg(test)]
#[expect(clippy::needless_range_loop, reason = "rows and columns of a matrix")]
pub(crate) fn by_rotations(matrix: [f64; 6]) -> [f64; 3] {
    let [xx, yy, zz, xy, xz, yz] = matrix;
    let mut m = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]];
    for _ in 0..100 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if m[p][q] == 0.0 {
                continue;
            }
            let theta = 0.5 * (2.0 * m[p][q]).atan2(m[q][q] - m[p][p]);
            let (s, c) = theta.sin_cos();
            for k in 0..3 {
                let (a, b) = (m[k][p], m[k][q]);
                (m[k][p], m[k][q]) = (c * a - s * b, s * a + c * b);
            }
            for k in 0..3 {
                let (a, b) = (m[p][k], m[q][k]);
                (m[p][k], m[q][k]) = (c * a - s * b, s * a + c * b);
            }
        }
    }
    let mut values = [m[0][0], m[1][1], m[2][2]];
    values.sort_by(|a, b| b.total_cmp(a));
    values
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equals_rotations(matrix in prop::array::uniform6(prop_oneof![-1.0..1.0f64, Just(0.0), Just(0.5), -1e-9..1e-9f64])) {
            let scale = matrix.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            for (fast, slow) in eigenvalues(matrix).into_iter().zip(by_rotations(matrix)) {
                prop_assert!((fast - slow).abs() <= 1e-7 * scale, "{} {}", fast, slow);
            }
        }
    }
}

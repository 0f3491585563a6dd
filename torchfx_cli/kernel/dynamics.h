/* A compressor: one gain for all channels of a frame, from the highest of them, smoothed in dB. The frames depend on one
 * another, so the loop is not vectorised; where nothing is turned down no logarithm is taken.
 *
 * curve: threshold in dB, slope, knee in dB, factors of attack and release a frame, linear gain behind; see
 * effects/compressor.py. state: the smoothed gain in dB.
 */
EXPORT void NAME(compress)(double *x, int64_t frames, int64_t channels, const double *curve, double *state) {
    const fp_mode mode = flush_subnormals();
    const double threshold = curve[0], slope = curve[1], knee = curve[2], makeup = curve[5];
    const double attack = curve[3], release = curve[4], half = knee / 2.0;
    const double lowest = pow(10.0, (threshold - half) / 20.0);
    double gain = *state;
    for (int64_t n = 0; n < frames; n++, x += channels) {
        double level = 0.0, wanted = 0.0;
        for (int64_t c = 0; c < channels; c++) {
            const double a = fabs(x[c]);
            level = a > level ? a : level;
        }
        if (level > lowest) {
            const double over = 20.0 * log10(level) - threshold;
            wanted = slope * (over >= half ? over : (over + half) * (over + half) / (2.0 * knee));
        }
        const double keep = wanted < gain ? attack : release;
        gain = keep * gain + (1.0 - keep) * wanted;
        const double factor = gain == 0.0 ? makeup : makeup * pow(10.0, gain / 20.0);
        if (factor != 1.0)
            for (int64_t c = 0; c < channels; c++) x[c] *= factor;
    }
    *state = gain;
    restore_mode(mode);
}

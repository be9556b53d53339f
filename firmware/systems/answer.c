// Reads INPUTS numbers from standard input and prints OUTPUTS probabilities in a line, again and
// again until the input ends. MODEL is the function that was made of a net.
#include <stdio.h>

void MODEL(const float features[restrict 1][INPUTS], float probabilities[restrict 1][OUTPUTS]);

int main(void) {
  static float features[1][INPUTS];
  static float probabilities[1][OUTPUTS];
  for (;;) {
    int count = 0;
    int read = 1;
    while (count < INPUTS && (read = scanf("%f", &features[0][count])) == 1) ++count;
    if (count == 0 && read == EOF) return 0;
    if (count < INPUTS) {
      fprintf(stderr, "expected %d numbers, found %d%s\n", INPUTS, count,
              read == 0 ? " and something else" : "");
      return 1;
    }
    MODEL(features, probabilities);
    for (int i = 0; i < OUTPUTS; ++i) {
      printf("%.9g%c", (double)probabilities[0][i], i + 1 < OUTPUTS ? ' ' : '\n');
    }
  }
}

# Pictures of the corpora with ggplot2, from the tables that `ser-tinyml tables` writes:
#
#     Rscript analysis/corpora.R TABLES [PICTURES]
#
# TABLES: the folder with clips.csv. PICTURES: for four .png files and effects.csv (default:
# TABLES/r). Needs R 4 and ggplot2 3.4.

suppressPackageStartupMessages(library(ggplot2))

fail <- function(...) {
  message("error: ", ...)
  quit(status = 1)
}

arguments <- commandArgs(trailingOnly = TRUE)
if (!length(arguments) %in% 1:2) fail("expected: Rscript analysis/corpora.R TABLES [PICTURES]")
tables <- arguments[1]
pictures <- if (length(arguments) == 2) arguments[2] else file.path(tables, "r")

read_table <- function(name) {
  path <- file.path(tables, paste0(name, ".csv"))
  if (!file.exists(path)) fail(path, ": expected what ser-tinyml tables writes, found nothing")
  read.csv(path, encoding = "UTF-8", na.strings = "", check.names = FALSE)
}

save_picture <- function(name, picture, height) {
  path <- file.path(pictures, paste0(name, ".png"))
  ggsave(path, picture, width = 10, height = height, dpi = 110, bg = "white")
  cat(path, "\n", sep = "")
}

clips <- read_table("clips")
emotions <- read_table("star/dim_emotion")
emotions <- emotions[order(emotions$place), ]
clips$emotion <- factor(clips$emotion, levels = emotions$emotion)
clips$corpus <- factor(clips$corpus, levels = read_table("star/dim_corpus")$corpus)
clips$sex <- ifelse(is.na(clips$sex), "not known", clips$sex)
dir.create(pictures, showWarnings = FALSE, recursive = TRUE)

theme_set(theme_minimal(base_size = 12) + theme(legend.position = "bottom"))
colours <- setNames(emotions$colour, emotions$emotion)
fill <- scale_fill_manual(values = colours, name = NULL)
tilted <- theme(axis.text.x = element_text(angle = 40, hjust = 1), legend.position = "none")
box <- function() geom_boxplot(outlier.shape = NA, linewidth = 0.3, na.rm = TRUE)

# 1. Which emotions are in a corpus.
shares <- ggplot(clips, aes(corpus, fill = emotion)) +
  geom_bar(position = position_fill(reverse = TRUE), width = 0.75) +
  scale_y_continuous(labels = function(share) paste(100 * share, "%")) +
  scale_x_discrete(limits = rev) + coord_flip() + fill +
  labs(title = "Which emotions are in a corpus", x = NULL, y = NULL)
save_picture("distribution", shares, 3.5)

# 2. How loud: the shape is the emotion, the height is the studio's gain.
loud <- ggplot(clips, aes(emotion, intensity_db, fill = emotion)) + box() +
  facet_wrap(~corpus, nrow = 1, scales = "free_x") + fill + tilted +
  labs(title = "Intensity of the speech", x = NULL, y = "dB")
save_picture("intensity", loud, 4)

# 3. Pitch, jitter and shimmer, women and men apart.
measures <- c(
  f0_median_hz = "F0, median (Hz)", jitter_percent = "jitter (%)", shimmer_percent = "shimmer (%)"
)
long <- do.call(rbind, lapply(names(measures), function(name) {
  data.frame(clips[c("emotion", "sex")], measure = measures[[name]], value = clips[[name]])
}))
voices <- ggplot(long, aes(emotion, value, fill = emotion)) + box() +
  facet_wrap(~ sex + measure, ncol = length(measures), scales = "free_y") + fill + tilted +
  labs(title = "The voice", x = NULL, y = NULL)
save_picture("voice", voices, 7)

# 4. What an emotion changes in one voice: the speaker's mean less that in the first emotion, which
# is neutral where there is such. The interval is Student's, over speakers.
reference <- emotions$emotion[1]
clips$f0_st <- 12 * log2(clips$f0_median_hz / 100)
changed <- c(
  f0_st = "F0 (semitones)", intensity_db = "intensity (dB)", hnr_db = "HNR (dB)",
  jitter_percent = "jitter (%)", shimmer_percent = "shimmer (%)",
  speech_rate = "speech rate (syllables/s)"
)

effect <- function(name, emotion) {
  means <- tapply(clips[[name]], list(clips$speaker, clips$emotion), mean, na.rm = TRUE)
  moved <- means[, emotion] - means[, reference]
  moved <- moved[is.finite(moved)]
  interval <- c(NA_real_, NA_real_)
  if (length(moved) > 2 && sd(moved) > 0) interval <- t.test(moved)$conf.int
  data.frame(
    measure = changed[[name]], emotion = emotion, against = reference, speakers = length(moved),
    mean = mean(moved), low = interval[1], high = interval[2]
  )
}

others <- emotions$emotion[-1]
effects <- do.call(rbind, lapply(names(changed), function(name) {
  do.call(rbind, lapply(others, function(emotion) effect(name, emotion)))
}))
write.csv(effects, file.path(pictures, "effects.csv"), row.names = FALSE)
effects$emotion <- factor(effects$emotion, levels = rev(others))
moved <- ggplot(effects, aes(mean, emotion, xmin = low, xmax = high, colour = emotion)) +
  geom_vline(xintercept = 0, colour = "grey40") + geom_pointrange(na.rm = TRUE) +
  scale_colour_manual(values = colours) + facet_wrap(~measure, scales = "free_x") +
  theme(legend.position = "none") +
  labs(title = paste("Against", reference, "of the same speaker"), x = NULL, y = NULL)
save_picture("effects", moved, 6)

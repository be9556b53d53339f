"""Index and features on Apache Spark, for more recordings than one machine can chew."""

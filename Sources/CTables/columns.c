// Columns of a table: each function goes once through all records.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "CTables.h"

ct_status ct_survey(const ct_text *text, size_t place, long columns, const uint8_t *wanted,
                    ct_column *kinds, uint8_t *incomplete, int64_t most_records, int64_t *records,
                    size_t *begin, long *found) {
  ct_field *fields = malloc(columns * sizeof *fields);
  *records = 0;
  if (!fields) return CT_NO_MEMORY;
  for (long c = 0; c < columns; c++) kinds[c] = (ct_column){0, 0, 0, -1, -1};
  ct_status status;
  while (!(status = ct_record(text, &place, begin, fields, columns, found))) {
    if (*found != columns) break;
    const int64_t record = (*records)++;
    int is_incomplete = 0;
    for (long c = 0; c < columns; c++) {
      if (!wanted[c]) continue;
      double value;
      ct_column *kind = kinds + c;
      switch (ct_number(fields + c, text->dialect.decimal, &value)) {
        case CT_NUMBER: kind->numbers++; break;
        case CT_MISSING:
          if (!kind->missing++) kind->first_missing = record;
          is_incomplete = 1;
          break;
        case CT_TEXT:
          if (!kind->texts++) kind->first_text = record;
      }
    }
    if (incomplete && record < most_records) incomplete[record] = is_incomplete;
  }
  free(fields);
  return status;
}

ct_status ct_numbers(const ct_text *text, size_t place, long columns, const long *chosen,
                     long count, const uint8_t *kept, int64_t rows, double *values) {
  ct_field *fields = malloc(columns * sizeof *fields);
  if (!fields) return CT_NO_MEMORY;
  ct_status status;
  size_t begin;
  long found;
  // Fields behind the last chosen one are skipped, not stored.
  const long most = count ? chosen[count - 1] + 1 : 0;
  int64_t row = 0;
  for (int64_t record = 0; row < rows; record++) {
    if ((status = ct_record(text, &place, &begin, fields, most, &found))) break;
    if (kept && !kept[record]) continue;
    for (long i = 0; i < count; i++) {
      double *value = values + i * rows + row;
      if (found <= chosen[i] ||
          ct_number(fields + chosen[i], text->dialect.decimal, value) != CT_NUMBER)
        *value = NAN;
    }
    row++;
  }
  free(fields);
  return row == rows ? CT_OK : status;
}

static uint64_t hash_of(const ct_field *field) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint32_t i = 0; i < field->count; i++) hash = (hash ^ field->start[i]) * 0x100000001b3u;
  return hash ^ hash >> 32;
}

static int is_same(const ct_field *a, const ct_field *b) {
  return a->count == b->count && !memcmp(a->start, b->start, a->count);
}

ct_status ct_words(const ct_text *text, size_t place, long column, const uint8_t *kept,
                   int32_t *numbers, ct_word *words, long most, long *found) {
  size_t slots = 16;
  while (slots < 2 * (size_t)most + 2) slots *= 2;
  int32_t *table = malloc(slots * sizeof *table);
  ct_field *fields = malloc((column + 1) * sizeof *fields);
  *found = 0;
  ct_status status = CT_NO_MEMORY;
  if (table && fields) {
    memset(table, 0xFF, slots * sizeof *table);
    size_t begin;
    long count;
    for (int64_t record = 0, row = 0;; record++) {
      status = ct_record(text, &place, &begin, fields, column + 1, &count);
      if (status || count <= column) break;
      if (kept && !kept[record]) continue;
      const ct_field *field = fields + column;
      size_t slot = hash_of(field) & (slots - 1);
      while (table[slot] >= 0 && !is_same(&words[table[slot]].field, field))
        slot = (slot + 1) & (slots - 1);
      if (table[slot] < 0) {
        if (*found == most) {
          ++*found;
          break;
        }
        table[slot] = (int32_t)*found;
        words[(*found)++] = (ct_word){*field, 0, record};
      }
      words[table[slot]].count++;
      numbers[row++] = table[slot];
    }
    if (status == CT_END) status = CT_OK;
  }
  free(table);
  free(fields);
  return status;
}

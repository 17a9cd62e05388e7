// Tables in text: where records and fields are in the bytes of a CSV file, and the numbers in them.
// Every function is pure, reads the bytes that it is given and nothing behind them, and never ends
// the process, whatever the bytes are.
#ifndef CTABLES_H
#define CTABLES_H

#include <stddef.h>
#include <stdint.h>

// How a file is written. A comment mark of 0 means that the file has no comments.
typedef struct {
  uint8_t separator, comment, decimal;
} ct_dialect;

typedef struct {
  const uint8_t *bytes;
  size_t count;
  ct_dialect dialect;
} ct_text;

// The content of a field without the blanks around it, and without the quotes around it. Where
// `is_escaped`, two quotes in the content stand for one.
typedef struct {
  const uint8_t *start;
  uint32_t count;
  uint8_t is_quoted, is_escaped;
} ct_field;

typedef enum {
  CT_OK = 0,
  CT_END,            // no record is left
  CT_QUOTE_OPEN,     // a quoted field does not end
  CT_QUOTE_TRAILED,  // something stands between the end of a quoted field and the next separator
  CT_FIELD_LARGE,    // a field has more than 1 MiB
  CT_NO_MEMORY
} ct_status;

// Reads the record that begins at `*place` or behind the blank and comment lines there, and moves
// `*place` behind it and `*begin` to its first byte. Stores its first `most` fields; `*found` is
// the number of all of them.
ct_status ct_record(const ct_text *text, size_t *place, size_t *begin, ct_field *fields, long most,
                    long *found);

// The line, counted from 1, on which a place is. Lines end with LF, CR LF or CR.
long ct_line(const ct_text *text, size_t place);

// The place of the first byte that is not part of UTF-8; `count` where all is.
size_t ct_invalid(const uint8_t *bytes, size_t count);

typedef enum { CT_NUMBER, CT_MISSING, CT_TEXT } ct_kind;

// A field as a number, correctly rounded, or as nothing: empty, NA, N/A, #N/A, <NA>, NaN, null,
// None, ? and a single point, without regard to case, stand for missing values. `value` is set for
// numbers only. A number that is not finite is text.
ct_kind ct_number(const ct_field *field, uint8_t decimal, double *value);

// How often a column has each kind, over all records; and the first record that has a text.
typedef struct {
  int64_t numbers, missing, texts;
  int64_t first_text, first_missing;
} ct_column;

// Reads all records from `place` on, each of `columns` fields. Counts the kinds in those columns
// whose `wanted` is not 0. Where `incomplete` is not NULL, it has a byte for each record, of
// `most_records` at most, which becomes 1 where a wanted field is missing. On an error, or where a
// record has another number of fields (`*found`, with CT_OK), `*begin` says where; else CT_END.
ct_status ct_survey(const ct_text *text, size_t place, long columns, const uint8_t *wanted,
                    ct_column *kinds, uint8_t *incomplete, int64_t most_records, int64_t *records,
                    size_t *begin, long *found);

// Writes the numbers of some columns, in ascending order, of the records that `kept` has (a byte
// for each record; NULL: all): values[i * rows + row] of chosen[i]. What is no number becomes NaN.
ct_status ct_numbers(const ct_text *text, size_t place, long columns, const long *chosen,
                     long count, const uint8_t *kept, int64_t rows, double *values);

// Different texts of one column, each a number from 0 on in the order in which they appear.
typedef struct {
  ct_field field;
  int64_t count;
  int64_t first_record;
} ct_word;

// Writes the number of each kept record's text to `numbers`, and the texts to `words`, of which
// there are at most `most`: `*found` is `most` + 1 where there are more. Missing values are texts.
ct_status ct_words(const ct_text *text, size_t place, long column, const uint8_t *kept,
                   int32_t *numbers, ct_word *words, long most, long *found);

#endif

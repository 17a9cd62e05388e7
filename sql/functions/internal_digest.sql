-- The digest of a text: SHA-256 of its UTF-8 bytes, in hexadecimal.
create or replace function api.internal_digest(content text) returns text
language sql stable as $$
  select encode(sha256(convert_to(content, 'UTF8')), 'hex')
$$;

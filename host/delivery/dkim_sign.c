/* DKIM-Signature (RFC 6376 section 5). */
#include "sealing.h"

#include "delivery/seal_field.h"

int dkim_sign(struct sealing *sealing, const struct signing_key *key, struct str *field)
{
    struct seal_field signature;
    seal_field_start(&signature, "DKIM-Signature", sealing->arena);
    seal_field_put(&signature, "v=1;");
    seal_field_put(&signature, "c=relaxed/relaxed;");
    seal_field_put_signer(&signature, key, sealing->request->now_ms);
    seal_field_put_names(&signature, buf_view(&sealing->names));
    seal_field_put(&signature, "bh=%s;", sealing->body_hash);
    return seal_field_sign(&signature, key, &sealing->text, field);
}

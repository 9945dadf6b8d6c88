/* SPDX-License-Identifier: ISC */
/* The supervisor (see man/postrider-architecture.7). */
int main(void);
int main(void)
{
	return 0;
}

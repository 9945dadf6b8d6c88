# SPDX-License-Identifier: ISC
# AX_HARDEN: the warnings and the hardening flags that the compiler and linker know, in HARDEN_CFLAGS and HARDEN_LDFLAGS.
AC_DEFUN([AX_HARDEN_CC], [
  AC_CACHE_CHECK([whether $CC accepts $1], [AS_TR_SH([ax_cv_cc_$1])], [
    ax_saved_CFLAGS=$CFLAGS
    CFLAGS="-Werror -O2 $CFLAGS $1"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [AS_TR_SH([ax_cv_cc_$1])=yes], [AS_TR_SH([ax_cv_cc_$1])=no])
    CFLAGS=$ax_saved_CFLAGS])
  AS_IF([test "x$AS_TR_SH([ax_cv_cc_$1])" = xyes], [HARDEN_CFLAGS="$HARDEN_CFLAGS $1"])])
AC_DEFUN([AX_HARDEN_LD], [
  AC_CACHE_CHECK([whether the linker accepts $1], [AS_TR_SH([ax_cv_ld_$1])], [
    ax_saved_LDFLAGS=$LDFLAGS
    LDFLAGS="$LDFLAGS $1"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AS_TR_SH([ax_cv_ld_$1])=yes], [AS_TR_SH([ax_cv_ld_$1])=no])
    LDFLAGS=$ax_saved_LDFLAGS])
  AS_IF([test "x$AS_TR_SH([ax_cv_ld_$1])" = xyes], [HARDEN_LDFLAGS="$HARDEN_LDFLAGS $1"])])
AC_DEFUN([AX_HARDEN], [
  HARDEN_CFLAGS=
  HARDEN_LDFLAGS=
  m4_foreach_w([flag], [-std=gnu17 -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wvla -Wformat=2 -Wswitch-enum
    -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -fno-strict-aliasing
    -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection -fno-plt], [AX_HARDEN_CC(flag)])
  m4_foreach_w([flag], [-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed], [AX_HARDEN_LD(flag)])
  AS_IF([test "x$enable_sanitizers" = xyes],
    [HARDEN_CFLAGS="$HARDEN_CFLAGS -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
     HARDEN_LDFLAGS="$HARDEN_LDFLAGS -fsanitize=address,undefined"],
    [HARDEN_CFLAGS="$HARDEN_CFLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"])
  AC_SUBST([HARDEN_CFLAGS])
  AC_SUBST([HARDEN_LDFLAGS])])
